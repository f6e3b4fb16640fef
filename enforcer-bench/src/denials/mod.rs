//! What a storm of denials costs the daemon, and how much of it is told: frames from the world outside to a
//! pod that lets nobody in, as many in a second as asked for, and every single one accounted for.

mod accounts;
mod stage;
mod storm;

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::json;

use crate::options::Options;
use crate::program::Program;
use crate::report::{Cell, Report, Table};
use accounts::Account;
use stage::Stage;
use storm::Shape;

/// How to measure.
#[derive(clap::Args, Clone, Debug)]
pub struct Arguments {
    /// What every bench takes.
    #[command(flatten)]
    pub options: Options,
    /// Denials in a second.
    #[arg(long, value_name = "N", default_value_t = 200_000)]
    rate: u32,
    /// Storms of each kind.
    #[arg(long, value_name = "N")]
    rounds: Option<usize>,
    /// How long each of them lasts.
    #[arg(long, value_name = "MS")]
    milliseconds: Option<u64>,
    #[command(flatten)]
    program: Program,
}

const SHAPES: [Shape; 3] = [Shape::OneSource, Shape::RandomSources, Shape::RandomPorts];

/// One kind of storm, and what came of it.
struct Case {
    name: &'static str,
    accounts: Vec<Account>,
}

/// Measures, and writes the report by [`Options::finish`].
pub fn run(arguments: &Arguments) -> Result<()> {
    let quick = arguments.options.quick;
    let mut report = Report::new("denials", quick);
    let rounds = arguments.rounds.unwrap_or(if quick { 1 } else { 7 });
    let time = arguments
        .milliseconds
        .unwrap_or(if quick { 300 } else { 5000 });
    let rate = if quick {
        arguments.rate.min(20_000)
    } else {
        arguments.rate
    };
    ensure!(
        rounds > 0 && time > 0,
        "--rounds and --milliseconds must be at least 1"
    );
    let time = Duration::from_millis(time);
    let stage = Stage::new(&arguments.program.path()?)?;
    let cases = measure(&stage, rounds, rate, time)
        .with_context(|| format!("the daemon's log:\n{}", stage.log()))?;
    fill(&mut report, rate, time, &cases);
    arguments.options.finish(&report)
}

fn measure(stage: &Stage, rounds: usize, rate: u32, time: Duration) -> Result<Vec<Case>> {
    let mut shapes = SHAPES;
    let measured = crate::stats::interleaved(rounds, &mut shapes, |shape, _| {
        stage.account(|| stage.storm(*shape, rate, time))
    })?;
    let cases = SHAPES.iter().zip(measured);
    let case = |(shape, accounts): (&Shape, _)| Case {
        name: shape.words(),
        accounts,
    };
    Ok(cases.map(case).collect())
}

fn fill(report: &mut Report, rate: u32, time: Duration, cases: &[Case]) {
    report.notes.push(format!(
        "Frames are sent for {time:.1?} at a time, {rate} in a second as far as the machine can. The daemon's CPU \
         share is that of one CPU: all its threads, from the beginning of the storm to the last record of it. \
         After each storm the counts of its records and the number of denials without a record together must \
         be what the programs have dropped, and that must be what was sent; otherwise the bench fails.",
    ));
    let mut table = Table::new(
        "A storm of denials",
        &[
            "storm",
            "denials/s",
            "daemon, % of a CPU",
            "told in records, %",
            "records/s",
            "denials in all",
            "in records",
            "counted without a record",
        ],
    );
    for case in cases {
        let of = |value: fn(&Account) -> f64| {
            Cell::samples(&case.accounts.iter().map(value).collect::<Vec<_>>())
        };
        let sum = |value: fn(&Account) -> u64| {
            let sum: u64 = case.accounts.iter().map(value).sum();
            Cell::of(sum.to_string())
        };
        table.row([
            Cell::of(case.name),
            of(Account::rate),
            of(Account::share),
            of(Account::told),
            of(Account::records_per_second),
            sum(|account| account.dropped),
            sum(|account| account.recorded),
            sum(|account| account.unrecorded),
        ]);
    }
    report.tables.push(table);
    let raw = cases
        .iter()
        .map(|case| json!({"storm": case.name, "rounds": case.accounts}));
    report.raw = raw.collect();
}
