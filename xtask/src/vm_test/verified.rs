//! How many instructions the verifier of each kernel looks at, which `enforcer-ebpf/verified.json`
//! has: the limit is a million, and a growth shows in review.

use std::collections::BTreeMap;

use anyhow::Result;
use enforcer_vm::Message;
use serde::{Deserialize, Serialize};

use super::counts;
use crate::ui;

/// What the tracked file and the table are called.
const NAME: &str = "verified";

/// The name of the job that asks.
pub(super) const JOB: &str = "programs";

/// What a count may grow by, in percent, before the file must be written anew: the same programs
/// cost a little more or less with every small update of a kernel.
const TOLERANCE: u64 = 5;

/// Kernels by their series.
pub(super) type Kernels = counts::Kernels<Kernel>;

/// What one kernel's verifier made of the programs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Kernel {
    /// What the kernel calls itself.
    release: String,
    /// Verified instructions by program.
    programs: BTreeMap<String, u64>,
}

#[derive(Deserialize)]
struct Program {
    name: String,
    verified_instructions: Option<u64>,
}

/// The answer in everything that a machine told.
pub(super) fn of_machine(messages: &[Message]) -> Option<Kernel> {
    let mut kernel = Kernel::default();
    for message in messages {
        match message {
            Message::Booted { release } => kernel.release.clone_from(release),
            Message::Ended { job, output, .. } if job == JOB => {
                let line = output.lines().find(|line| line.starts_with('['))?;
                for program in serde_json::from_str::<Vec<Program>>(line).ok()? {
                    let verified = program.verified_instructions?;
                    kernel.programs.insert(program.name, verified);
                }
            }
            _ => {}
        }
    }
    (!kernel.programs.is_empty()).then_some(kernel)
}

/// Shows the counts beside those that are recorded, where they differ.
pub(super) fn show(now: &Kernels) -> Result<()> {
    let recorded: Kernels = counts::recorded(NAME)?;
    for (series, kernel) in now {
        let counts = kernel.programs.iter().map(|(name, count)| {
            let was = recorded.get(series).and_then(|was| was.programs.get(name));
            match was {
                Some(was) if was != count => format!("{name} {count} (recorded: {was})"),
                _ => format!("{name} {count}"),
            }
        });
        let counts: Vec<_> = counts.collect();
        ui::line(format_args!(
            "  verified instructions on {} ({series}): {}",
            kernel.release,
            counts.join(", ")
        ));
    }
    Ok(())
}

/// Which programs have grown, or are not recorded.
pub(super) fn compare(now: &Kernels) -> Result<Vec<String>> {
    Ok(problems(&counts::recorded(NAME)?, now))
}

fn problems(recorded: &Kernels, now: &Kernels) -> Vec<String> {
    let mut problems = Vec::new();
    for (series, kernel) in now {
        for (name, count) in &kernel.programs {
            let was = recorded.get(series).and_then(|was| was.programs.get(name));
            match was {
                None => problems.push(format!("{name} on {series} is not recorded")),
                Some(was) if count * 100 > was * (100 + TOLERANCE) => {
                    problems.push(format!("{name} on {series} grew from {was} to {count}"));
                }
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

fn cells(kernel: &Kernel) -> BTreeMap<String, String> {
    let programs = kernel.programs.iter();
    programs
        .map(|(name, count)| (format!("`{name}`"), count.to_string()))
        .collect()
}

#[cfg(test)]
mod tests {
    use enforcer_vm::Outcome;

    use super::*;

    fn kernels(count: u64) -> Kernels {
        let kernel = Kernel {
            release: "6.1.0-1".to_owned(),
            programs: [("to_pod".to_owned(), count)].into(),
        };
        [("6.1".to_owned(), kernel)].into()
    }

    #[test]
    fn the_table_is_in_the_order_of_kernels() {
        let mut kernels = kernels(7);
        let newer = kernels["6.1"].clone();
        kernels.insert("6.12".to_owned(), newer.clone());
        kernels.insert("5.10".to_owned(), newer);
        let expected = "|  | 5.10 | 6.1 | 6.12 |\n|---|---|---|---|\n| `to_pod` | 7 | 7 | 7 |\n";
        assert_eq!(counts::table(&kernels, cells), expected);
    }

    #[test]
    fn a_growth_is_told_and_a_wobble_is_not() {
        let recorded = kernels(1000);
        assert!(problems(&recorded, &kernels(1050)).is_empty());
        assert!(problems(&recorded, &kernels(10)).is_empty());
        assert_eq!(
            problems(&recorded, &kernels(1051)),
            ["to_pod on 6.1 grew from 1000 to 1051"]
        );
        assert_eq!(problems(&Kernels::new(), &recorded).len(), 1);
    }

    #[test]
    fn counts_are_read_from_what_a_machine_told() {
        let told = |output: &str| {
            [
                Message::Booted {
                    release: "6.1.0-1".to_owned(),
                },
                Message::Ended {
                    job: JOB.to_owned(),
                    outcome: Outcome::Exited(0),
                    milliseconds: 1,
                    output: output.to_owned(),
                    skipped: String::new(),
                },
            ]
        };
        let good = r#"[{"name":"to_pod","instructions":1,"verified_instructions":7}]"#;
        assert_eq!(of_machine(&told(good)), kernels(7).remove("6.1"));
        let unknown = good.replace('7', "null");
        assert_eq!(of_machine(&told(&unknown)), None);
        assert_eq!(of_machine(&told("enforcer: error")), None);
    }
}
