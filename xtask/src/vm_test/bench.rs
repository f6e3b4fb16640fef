//! The bench `packets` in machines whose clock counts instructions: what a nanosecond is in its
//! report, is an executed instruction here, the same on every computer. `enforcer-ebpf/executed.json`
//! has the counts, so that a regression on one kernel shows.

use std::collections::BTreeMap;

use anyhow::Result;
use enforcer_vm::{Job, Message};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{counts, suites};
use crate::{ui, workspace};

/// What the tracked file and the table are called.
const NAME: &str = "executed";

/// The name of the job.
pub(super) const JOB: &str = "bench packets";

/// How long it may take by the machine's clock.
const SECONDS: u64 = 3600;

/// By how much a count may grow before the file must be written anew: interrupts are counted too.
const TOLERANCE: (f64, f64) = (1.05, 5.0);

/// Executed instructions for each packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Executed {
    /// Of the empty program, and of what the kernel does to run it.
    empty: u64,
    /// Of the programs, above that.
    above: u64,
}

/// What was counted, by case.
pub(super) type Cases = BTreeMap<String, Executed>;

/// Kernels by their series.
pub(super) type Kernels = counts::Kernels<Cases>;

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
        program: workspace::target().join("debug/enforcer-bench"),
        arguments: ARGUMENTS.map(str::to_owned).to_vec(),
        environment: suites::environment(),
        directory: "/".into(),
        seconds: SECONDS,
        modules: true,
    }
}

/// Few rounds are enough where hardly anything varies. Loading takes longest by far.
const ARGUMENTS: [&str; 7] = [
    "packets",
    "--quick",
    "--one-set",
    "--repeat",
    "5000",
    "--json",
    "-",
];

/// The counts in everything that a machine told; none when the bench did not tell any.
pub(super) fn of_machine(messages: &[Message]) -> Option<Cases> {
    let output = messages.iter().find_map(|message| match message {
        Message::Ended { job, output, .. } if job == JOB => Some(output),
        _ => None,
    })?;
    let report: Value = serde_json::from_str(&output[output.find('{')?..]).ok()?;
    let cases: Vec<Case> = serde_json::from_value(report["raw"]["cases"].clone()).ok()?;
    let counts: Cases = cases
        .iter()
        .filter_map(|case| {
            let executed = Executed {
                empty: median(&case.empty)?,
                above: median(case.above.first()?)?,
            };
            Some((format!("{}, `{}`", case.name, case.hook), executed))
        })
        .collect();
    (!counts.is_empty()).then_some(counts)
}

fn median(samples: &[f64]) -> Option<u64> {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    let median = sorted.get(sorted.len() / 2)?;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a count of instructions; noise below nothing is nothing"
    )]
    Some(median.round().max(0.0) as u64)
}

impl Executed {
    /// How many times the empty program's.
    #[expect(clippy::cast_precision_loss, reason = "far fewer than 2^52")]
    fn ratio(self) -> f64 {
        (self.empty + self.above) as f64 / self.empty as f64
    }

    #[expect(clippy::cast_precision_loss, reason = "far fewer than 2^52")]
    fn has_grown(self, was: Self) -> bool {
        self.above as f64 > was.above as f64 * TOLERANCE.0 + TOLERANCE.1
    }
}

/// Shows the table.
pub(super) fn show(now: &Kernels) {
    ui::line("  executed instructions for each packet above the empty program's (times it):");
    ui::line(table(now));
}

/// What has grown, or is not recorded.
pub(super) fn compare(now: &Kernels) -> Result<Vec<String>> {
    Ok(problems(&counts::recorded(NAME)?, now))
}

fn problems(recorded: &Kernels, now: &Kernels) -> Vec<String> {
    let mut problems = Vec::new();
    for (series, cases) in now {
        for (name, now) in cases {
            match recorded.get(series).and_then(|was| was.get(name)) {
                None => problems.push(format!("{name:?} on {series} is not recorded")),
                Some(was) if now.has_grown(*was) => problems.push(format!(
                    "{name:?} on {series} grew from {} to {} executed instructions",
                    was.above, now.above
                )),
                Some(_) => {}
            }
        }
    }
    problems
}

/// Records them; kernels that were not asked keep their counts.
pub(super) fn write(now: Kernels) -> Result<()> {
    counts::write(NAME, now, cells)
}

/// Cases down, kernels across.
fn table(kernels: &Kernels) -> String {
    counts::table(kernels, cells)
}

fn cells(cases: &Cases) -> BTreeMap<String, String> {
    let cell = |executed: &Executed| format!("{} ({:.1})", executed.above, executed.ratio());
    let cells = cases.iter();
    cells
        .map(|(name, executed)| (name.clone(), cell(executed)))
        .collect()
}

#[cfg(test)]
mod tests {
    use enforcer_vm::Outcome;

    use super::*;

    fn counts(output: &str) -> Option<Cases> {
        of_machine(&[Message::Ended {
            job: JOB.to_owned(),
            outcome: Outcome::Exited(0),
            milliseconds: 1,
            output: output.to_owned(),
            skipped: String::new(),
        }])
    }

    fn kernels(above: u64) -> Kernels {
        let executed = Executed { empty: 100, above };
        Kernels::from([(
            "6.1".to_owned(),
            Cases::from([("hot".to_owned(), executed)]),
        )])
    }

    #[test]
    fn counts_are_medians() {
        let report = r#"{"bench": "packets", "raw": {"cases": [{"case": "hot", "hook": "to_pod",
            "empty": [9.0, 10.2, 50.0], "above": [[4.0, 5.0, 6.0], []]}]}}"#;
        let executed = Executed {
            empty: 10,
            above: 5,
        };
        let expected = Cases::from([("hot, `to_pod`".to_owned(), executed)]);
        assert_eq!(counts(report), Some(expected));
        assert!((executed.ratio() - 1.5).abs() < 1e-9);
    }

    #[test]
    fn a_bench_that_tells_nothing_is_found_out() {
        assert_eq!(counts("Error: the bench is not built yet"), None);
        assert_eq!(counts(r#"{"raw": {"cases": []}}"#), None);
        assert_eq!(counts(""), None);
    }

    #[test]
    fn what_grows_or_is_not_recorded_is_a_problem() {
        assert_eq!(problems(&kernels(100), &kernels(109)), [] as [&str; 0]);
        assert_eq!(
            problems(&kernels(100), &kernels(111)),
            ["\"hot\" on 6.1 grew from 100 to 111 executed instructions"]
        );
        assert_eq!(
            problems(&Kernels::new(), &kernels(1)),
            ["\"hot\" on 6.1 is not recorded"]
        );
    }

    #[test]
    fn the_table_has_kernels_in_order_and_ratios() {
        let mut both = kernels(50);
        both.insert("5.10".to_owned(), Cases::new());
        both.insert("6.12".to_owned(), kernels(100)["6.1"].clone());
        let expected =
            "|  | 5.10 | 6.1 | 6.12 |\n|---|---|---|---|\n| hot | – | 50 (1.5) | 100 (2.0) |\n";
        assert_eq!(table(&both), expected);
    }
}
