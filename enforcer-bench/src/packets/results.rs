//! Tables and plots of what was found.

use std::path::Path;

use serde_json::json;

use super::case::Case;
use super::measure::Sample;
use super::{Bench, Found, HOOKS, rivals};
use crate::plot::{Axis, Drawing, Mark, Plot, Strip};
use crate::report::{Cell, Report, Table};
use crate::stats::Summary;

/// Puts everything into the report.
pub(super) fn write(report: &mut Report, bench: &Bench, found: &Found) {
    let [few, many] = bench.policies;
    report.notes.push(format!(
        "Nanoseconds above an empty tc program, median of {} rounds (quartiles); every round measures \
         each case and the empty program with {} packets. `from_pod` is what a pod sends, `to_pod` \
         what it receives. The ratio is that of {many} policies to {few}, \
         which says nothing where both are a few nanoseconds.",
        bench.rounds, bench.repeat
    ));
    let columns = [
        "case",
        "hook",
        "empty",
        &format!("{few} policies"),
        &format!("{many} policies"),
        "ratio",
        "goal",
    ];
    let mut table = Table::new("", &columns);
    let mut raw = Vec::new();
    let mut strips = Vec::new();
    let mut missed = Vec::new();
    for (number, case) in bench.cases.iter().enumerate() {
        for (hook, direction) in HOOKS.into_iter().enumerate() {
            let name = ["from_pod", "to_pod"][hook];
            let of = |which| {
                found
                    .get(&(number, hook, which))
                    .map_or(&[][..], Vec::as_slice)
            };
            let [less, more] = [above(of(0)), above(of(1))];
            let empty: Vec<f64> = of(0).iter().map(|sample| sample.empty).collect();
            table.row([
                Cell::of(case.name),
                Cell::of(name),
                Cell::samples(&empty),
                Cell::samples(&less),
                Cell::samples(&more),
                ratio(&more, &less),
                case.goal.map_or(Cell::Nothing, |goal| {
                    Cell::of(judged(goal, &medians(&[&less, &more])))
                }),
            ]);
            missed.extend(says_missed(case, name, [&less, &more]));
            raw.push(json!({
                "case": case.name, "hook": name, "direction": format!("{direction:?}"),
                "empty": empty, "above": [&less, &more],
                "times_empty": [times_empty(of(0)), times_empty(of(1))],
                "expected": least(of(0), of(1), |sample| sample.expected),
                "suppressed": least(of(0), of(1), |sample| sample.suppressed),
            }));
            strips.push(Strip {
                label: format!("{}, {name}", case.name),
                measured: Summary::of(&less),
                marks: marks(case),
            });
        }
    }
    report.tables.push(table);
    report.notes.push(summary(&missed));
    report.raw = json!({ "cases": raw });
    report.plots.push(Plot {
        name: "cases".to_owned(),
        title: "Nanoseconds for each packet above an empty tc program".to_owned(),
        drawing: Drawing::Strips {
            axis: Axis {
                label: "ns".to_owned(),
                logarithmic: true,
            },
            strips,
        },
    });
}

/// A goal, and whether all of these keep it.
pub(super) fn judged(goal: f64, medians: &[f64]) -> String {
    let met = medians.iter().all(|median| *median <= goal);
    let word = if met { "met" } else { "**missed**" };
    format!("≤ {goal}: {word}")
}

fn medians(samples: &[&[f64]]) -> Vec<f64> {
    let summaries = samples.iter().filter_map(|samples| Summary::of(samples));
    summaries.map(|of| of.median).collect()
}

/// A goal that is missed, in words.
fn says_missed(case: &Case, hook: &str, samples: [&[f64]; 2]) -> Option<String> {
    let goal = case.goal?;
    let medians = medians(&samples);
    let most = medians.iter().copied().reduce(f64::max)?;
    (most > goal).then(|| format!("{} at `{hook}` ({most:.1} against {goal})", case.name))
}

/// Where the kernel shows the counters of a processor that has some (x86).
const COUNTERS: &str = "/sys/bus/event_source/devices/cpu";

/// Which goals are missed, in words.
fn summary(missed: &[String]) -> String {
    let what = if missed.is_empty() {
        "Every goal is met".to_owned()
    } else {
        format!(
            "Goals are missed here: {}. All others are met",
            missed.join("; ")
        )
    };
    let counters = if Path::new(COUNTERS).exists() {
        "not read here"
    } else {
        "not there on this machine"
    };
    format!(
        "{what}, by the medians, of which the worse one counts. The processor's counters are \
         {counters}, so executed machine instructions and cache misses are not reported."
    )
}

/// Of the medians: where a packet costs next to nothing, samples can be 0 and less.
fn ratio(more: &[f64], less: &[f64]) -> Cell {
    match (Summary::of(more), Summary::of(less)) {
        (Some(more), Some(less)) => Cell::Number(more.median / less.median),
        _ => Cell::Nothing,
    }
}

fn marks(case: &Case) -> Vec<Mark> {
    let goal = case.goal.map(|goal| Mark {
        series: "goal".to_owned(),
        low: goal,
        high: goal,
    });
    goal.into_iter().chain(rivals::marks(case)).collect()
}

fn above(samples: &[Sample]) -> Vec<f64> {
    samples
        .iter()
        .map(|sample| sample.whole - sample.empty)
        .collect()
}

/// How much longer a packet takes than in the empty program: what can be compared between machines.
fn times_empty(samples: &[Sample]) -> Option<Summary> {
    let times: Vec<f64> = samples
        .iter()
        .map(|sample| sample.whole / sample.empty)
        .collect();
    Summary::of(&times)
}

fn least(one: &[Sample], other: &[Sample], of: impl Fn(&Sample) -> f64) -> f64 {
    one.iter()
        .chain(other)
        .map(of)
        .fold(f64::INFINITY, f64::min)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_goal_is_met_when_every_median_keeps_it() {
        assert_eq!(judged(10.0, &[9.0, 10.0]), "≤ 10: met");
        assert_eq!(judged(10.0, &[9.0, 10.1]), "≤ 10: **missed**");
    }

    #[test]
    fn the_summary_names_what_is_missed_and_says_so_when_nothing_is() {
        let missed = ["hot at `from_pod` (13.1 against 10)".to_owned()];
        assert!(summary(&missed).starts_with("Goals are missed here: hot at"));
        assert!(summary(&[]).starts_with("Every goal is met"));
    }
}
