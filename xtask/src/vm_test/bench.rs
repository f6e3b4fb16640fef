//! The bench `packets` in machines. Emulated nanoseconds mean nothing, but their ratios to the empty
//! program's, taken in the same machine, show when one kernel falls behind.

use std::collections::{BTreeMap, BTreeSet};

use enforcer_vm::{Job, Message};
use serde::Deserialize;
use serde_json::Value;

use crate::ui;
use crate::workspace;

/// The name of the job.
pub(super) const JOB: &str = "bench packets";

/// How long it may take where nothing is fast.
const SECONDS: u64 = 3600;

/// Ratios by case.
pub(super) type Ratios = BTreeMap<String, f64>;

/// A case as the bench reports it.
#[derive(Deserialize)]
struct Case {
    #[serde(rename = "case")]
    name: String,
    hook: String,
    /// Nanoseconds of the empty program, one for each round.
    empty: Vec<f64>,
    /// What the programs need above that, one list for each number of policies.
    above: Vec<Vec<f64>>,
}

/// What a machine does for it.
pub(super) fn job() -> Job {
    Job {
        name: JOB.to_owned(),
        program: workspace::target().join("release/enforcer-bench"),
        arguments: ["packets", "--quick", "--json", "-"]
            .map(str::to_owned)
            .to_vec(),
        directory: "/".into(),
        seconds: SECONDS,
        modules: true,
        ..Job::default()
    }
}

/// The ratios in everything that a machine told; none when the bench did not tell any.
pub(super) fn of_machine(messages: &[Message]) -> Option<Ratios> {
    let output = messages.iter().find_map(|message| match message {
        Message::Ended { job, output, .. } if job == JOB => Some(output),
        _ => None,
    })?;
    let report: Value = serde_json::from_str(&output[output.find('{')?..]).ok()?;
    let cases: Vec<Case> = serde_json::from_value(report["raw"]["cases"].clone()).ok()?;
    let ratios: Ratios = cases
        .iter()
        .filter_map(|case| {
            let (empty, above) = (median(&case.empty)?, median(case.above.first()?)?);
            Some((
                format!("{}, {}", case.name, case.hook),
                (empty + above) / empty,
            ))
        })
        .collect();
    (!ratios.is_empty()).then_some(ratios)
}

fn median(samples: &[f64]) -> Option<f64> {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied()
}

/// Cases down, kernels across.
pub(super) fn show(all: &[(String, Ratios)]) {
    let cases: BTreeSet<&String> = all.iter().flat_map(|(_, ratios)| ratios.keys()).collect();
    let width = cases
        .iter()
        .map(|case| case.chars().count())
        .max()
        .unwrap_or(0);
    let heads: Vec<_> = all
        .iter()
        .map(|(kernel, _)| format!("{kernel:>8}"))
        .collect();
    ui::line("  a packet's time as a ratio to the empty program's:");
    ui::line(format_args!("  {:<width$} {}", "", heads.join(" ")));
    for case in cases {
        let cells: Vec<_> = all
            .iter()
            .map(|(_, ratios)| match ratios.get(case) {
                Some(ratio) => format!("{ratio:>8.2}"),
                None => format!("{:>8}", "-"),
            })
            .collect();
        ui::line(format_args!("  {case:<width$} {}", cells.join(" ")));
    }
}

#[cfg(test)]
mod tests {
    use enforcer_vm::Outcome;

    use super::*;

    fn ratios(output: &str) -> Option<Ratios> {
        of_machine(&[Message::Ended {
            job: JOB.to_owned(),
            outcome: Outcome::Exited(0),
            milliseconds: 1,
            output: output.to_owned(),
            skipped: String::new(),
        }])
    }

    #[test]
    fn ratios_are_those_of_medians() {
        let report = r#"{"bench": "packets", "raw": {"cases": [{"case": "hot", "hook": "to_pod",
            "empty": [9.0, 10.0, 50.0], "above": [[4.0, 5.0, 6.0], []]}]}}"#;
        let expected = Ratios::from([("hot, to_pod".to_owned(), 1.5)]);
        assert_eq!(ratios(report), Some(expected));
    }

    #[test]
    fn a_bench_that_tells_nothing_is_found_out() {
        assert_eq!(ratios("Error: the bench is not built yet"), None);
        assert_eq!(ratios(r#"{"raw": {"cases": []}}"#), None);
        assert_eq!(ratios(""), None);
    }
}
