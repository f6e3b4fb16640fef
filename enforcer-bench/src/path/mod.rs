//! What the programs cost on a real path between pods, against baselines.
//!
//! - `condition`: what is compared;
//! - `cluster`: the policies that every filter gets;
//! - `guard`: the filters;
//! - `stage`: a node with two pods and a filter between them, and the proof that it works;
//! - `traffic`: the generators;
//! - `figures`: what they measured, and the report.

mod cluster;
mod condition;
mod figures;
mod guard;
mod progress;
mod stage;
mod traffic;

use std::time::Duration;

use anyhow::{Context, Result, ensure};

use self::condition::Condition;
use self::figures::Figures;
use self::progress::Progress;
use self::stage::Stage;
use self::traffic::Cpus;
use crate::options::Options;
use crate::report::Report;

/// How to measure.
#[derive(clap::Args, Clone, Debug)]
pub struct Arguments {
    /// What every bench takes.
    #[command(flatten)]
    pub options: Options,
    /// Rounds, in each of which every condition is measured once.
    #[arg(long, value_name = "N")]
    rounds: Option<usize>,
    /// How long each of the four measurements of a condition takes in a round.
    #[arg(long, value_name = "MS")]
    milliseconds: Option<u64>,
    /// Only conditions whose name has these words, and the baseline.
    #[arg(long, value_name = "WORDS")]
    only: Option<String>,
}

const ROUNDS: usize = 7;
const TIME: Duration = Duration::from_millis(700);
/// Of a quick run.
const MOMENT: Duration = Duration::from_millis(100);

/// Measures, and writes the report by [`Options::finish`].
pub fn run(arguments: &Arguments) -> Result<()> {
    let quick = arguments.options.quick;
    let report = Report::new("path", quick);
    let (conditions, rounds, time) = if quick {
        (condition::few(), 1, MOMENT)
    } else {
        (condition::all(), ROUNDS, TIME)
    };
    let rounds = arguments.rounds.unwrap_or(rounds);
    let time = arguments.milliseconds.map_or(time, Duration::from_millis);
    ensure!(rounds > 0, "--rounds must be at least 1");
    let conditions = chosen(conditions, arguments.only.as_deref());
    let cpus = Cpus::apart()?;
    let steps = conditions.len() * (rounds + 1);
    let mut progress = Progress::new(steps);
    let mut stages = Vec::new();
    for condition in conditions {
        let name = condition.name();
        progress.step(&format!("building: {name}"));
        stages.push(Stage::build(condition).with_context(|| format!("building `{name}`"))?);
    }
    let measured = crate::stats::interleaved(rounds, &mut stages, |stage, round| {
        let name = stage.condition.name();
        progress.step(&format!("round {}: {name}", round + 1));
        Figures::measure(stage, cpus, time).with_context(|| format!("measuring `{name}`"))
    })?;
    progress.end();
    let conditions: Vec<Condition> = stages.iter().map(|stage| stage.condition).collect();
    let legacy = stages.iter().find_map(Stage::iptables_is_legacy);
    arguments
        .options
        .finish(&figures::report(report, &conditions, &measured, legacy))
}

fn chosen(conditions: Vec<Condition>, words: Option<&str>) -> Vec<Condition> {
    let chosen = |(number, condition): &(usize, Condition)| {
        *number == 0 || words.is_none_or(|words| condition.name().contains(words))
    };
    conditions
        .into_iter()
        .enumerate()
        .filter(chosen)
        .map(|(_, one)| one)
        .collect()
}
