//! What the tests in machines said.

use std::collections::{BTreeMap, BTreeSet};

use enforcer_vm::{Message, Outcome};
use serde_json::{Value, json};

use crate::ui::{self, Colour, paint};

/// The job that asks for a hook where no modules can be loaded: the kernel has one without, or the
/// programs' user is told which modules are missing.
pub(super) const WITHOUT_MODULES: &str = "hook without modules";

/// How a test went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Passed,
    /// The kernel has no means for it.
    Skipped(String),
    Failed(String),
}

/// Verdicts by `suite::test`.
pub(super) type Results = BTreeMap<String, Verdict>;

/// The verdicts in everything that a machine told.
pub(super) fn of_machine(messages: &[Message]) -> Results {
    let mut results = Results::new();
    for message in messages {
        match message {
            Message::Ended {
                job,
                outcome,
                output,
                skipped,
                ..
            } => of_job(job, outcome, output, skipped, &mut results),
            Message::Complaints { lines } if !lines.is_empty() => {
                let words = lines.join("\n");
                results.insert("the kernel's log".to_owned(), Verdict::Failed(words));
            }
            _ => {}
        }
    }
    results
}

fn of_job(job: &str, outcome: &Outcome, output: &str, skipped: &str, results: &mut Results) {
    let lacks: BTreeMap<&str, &str> = skipped
        .lines()
        .filter_map(|line| line.split_once(": "))
        .collect();
    let mut failed = false;
    for (test, verdict) in tests(output) {
        let lack = lacks.get(test.rsplit("::").next().unwrap_or(test));
        let verdict = match (verdict, lack) {
            (_, Some(lack)) => Verdict::Skipped((*lack).to_owned()),
            ("ok", None) => Verdict::Passed,
            ("ignored", None) => Verdict::Skipped("ignored".to_owned()),
            _ => Verdict::Failed(said(output, test)),
        };
        failed |= matches!(verdict, Verdict::Failed(_));
        results.insert(format!("{job}::{test}"), verdict);
    }
    let problem = match outcome {
        Outcome::Exited(0) if job != WITHOUT_MODULES || output.contains("hook: tcx") => None,
        Outcome::Exited(2) if job == WITHOUT_MODULES && output.contains("sch_ingress") => None,
        // The tests have told why.
        Outcome::Exited(101) if failed => None,
        Outcome::Exited(code) => Some(format!("exit code {code}")),
        Outcome::Killed(signal) => Some(format!("ended by signal {signal}")),
        Outcome::TimedOut => Some("no time left".to_owned()),
        Outcome::NotStarted(why) => Some(format!("not started: {why}")),
    };
    let verdict = match problem {
        Some(problem) => Verdict::Failed(format!("{problem}; {}", end(output))),
        None if tests(output).is_empty() => Verdict::Passed,
        None => return,
    };
    results.insert(job.to_owned(), verdict);
}

/// The tests in what a test program writes, and what is said of each.
fn tests(output: &str) -> Vec<(&str, &str)> {
    let mut found = Vec::new();
    for line in output.lines() {
        let Some((test, verdict)) = line
            .strip_prefix("test ")
            .and_then(|rest| rest.split_once(" ... "))
        else {
            continue;
        };
        let verdict = verdict.split_whitespace().next().unwrap_or("began");
        found.push((test.trim_end_matches(" - should panic"), verdict));
    }
    found
}

/// What a failed test said.
fn said<'a>(output: &'a str, test: &str) -> String {
    let begin = format!("---- {test} stdout ----");
    let text = output.split_once(&begin).map_or("", |(_, text)| text);
    let end = text.find("\n---- ").or_else(|| text.find("\n\nfailures:"));
    let text: &'a str = &text[..end.unwrap_or(text.len())];
    let lines: Vec<_> = text.lines().map(str::trim_end).collect();
    let lines: Vec<_> = lines.into_iter().filter(|line| !line.is_empty()).collect();
    lines.join("\n")
}

fn end(output: &str) -> String {
    let lines: Vec<_> = output.lines().collect();
    let last = &lines[lines.len().saturating_sub(20)..];
    format!("its last words:\n{}", last.join("\n"))
}

/// The table of tests and kernels, and below it why what failed or was skipped.
pub(super) fn show(all: &[(String, Results)]) {
    let names: BTreeSet<&String> = all.iter().flat_map(|(_, results)| results.keys()).collect();
    let width = names.iter().map(|name| name.len()).max().unwrap_or(0);
    let heads: Vec<_> = all
        .iter()
        .map(|(kernel, _)| format!("{kernel:>8}"))
        .collect();
    ui::line(format_args!("  {:<width$} {}", "", heads.join(" ")));
    for name in names {
        let cells: Vec<_> = all
            .iter()
            .map(|(_, results)| match results.get(name) {
                Some(Verdict::Passed) => paint(Colour::Green, format_args!("{:>8}", "pass")),
                Some(Verdict::Skipped(_)) => paint(Colour::Yellow, format_args!("{:>8}", "skip")),
                Some(Verdict::Failed(_)) => paint(Colour::Red, format_args!("{:>8}", "FAIL")),
                None => format!("{:>8}", "-"),
            })
            .collect();
        ui::line(format_args!("  {name:<width$} {}", cells.join(" ")));
    }
    for (kernel, results) in all {
        for (name, verdict) in results {
            match verdict {
                Verdict::Passed => {}
                Verdict::Skipped(why) => ui::line(format_args!(
                    "{} on {kernel}: {name}: {why}",
                    paint(Colour::Yellow, "skipped")
                )),
                Verdict::Failed(why) => ui::line(format_args!(
                    "{} on {kernel}: {name}: {why}",
                    paint(Colour::Red, "FAILED")
                )),
            }
        }
    }
}

/// How many of each; the failed ones first.
pub(super) fn count(results: &Results) -> (usize, usize, usize) {
    let is = |wanted: fn(&Verdict) -> bool| results.values().filter(|one| wanted(one)).count();
    (
        is(|one| matches!(one, Verdict::Failed(_))),
        is(|one| *one == Verdict::Passed),
        is(|one| matches!(one, Verdict::Skipped(_))),
    )
}

/// The same for programs to read.
pub(super) fn json(all: &[(String, Results)]) -> Value {
    let kernels = all.iter().map(|(kernel, results)| {
        let tests = results.iter().map(|(name, verdict)| {
            let told = match verdict {
                Verdict::Passed => json!("pass"),
                Verdict::Skipped(why) => json!({ "skip": why }),
                Verdict::Failed(why) => json!({ "fail": why }),
            };
            (name.clone(), told)
        });
        (kernel.clone(), Value::Object(tests.collect()))
    });
    Value::Object(kernels.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTPUT: &str = "\nrunning 3 tests\ntest one ... ok\ntest deep::two ... FAILED\n\
        test deep::three ... ok\n\nfailures:\n\n---- deep::two stdout ----\n\n\
        thread 'deep::two' panicked at x.rs:1:2:\nno route\n\n\nfailures:\n    deep::two\n\n\
        test result: FAILED. 2 passed; 1 failed\n";

    fn results(outcome: Outcome, output: &str, skipped: &str) -> Results {
        let ended = Message::Ended {
            job: "wire".to_owned(),
            outcome,
            milliseconds: 1,
            output: output.to_owned(),
            skipped: skipped.to_owned(),
        };
        of_machine(&[ended])
    }

    #[test]
    fn a_failed_test_comes_with_its_words_and_a_skipped_one_with_its_lack() {
        let results = results(
            Outcome::Exited(101),
            OUTPUT,
            "three: this kernel has no netkit\n",
        );
        assert_eq!(count(&results), (1, 1, 1));
        assert_eq!(
            results["wire::deep::two"],
            Verdict::Failed("thread 'deep::two' panicked at x.rs:1:2:\nno route".to_owned())
        );
        assert_eq!(
            results["wire::deep::three"],
            Verdict::Skipped("this kernel has no netkit".to_owned())
        );
    }

    #[test]
    fn a_program_that_ends_otherwise_has_failed_whatever_its_tests_said() {
        for outcome in [Outcome::TimedOut, Outcome::Killed(11), Outcome::Exited(1)] {
            let results = results(outcome, "test one ... ok\ntest two ... ", "");
            assert_eq!(results["wire::one"], Verdict::Passed);
            assert!(matches!(results["wire::two"], Verdict::Failed(_)));
            assert!(matches!(results["wire"], Verdict::Failed(_)));
        }
    }

    #[test]
    fn without_modules_there_is_a_hook_or_a_word_about_them() {
        let verdict = |code, output| {
            let ended = Message::Ended {
                job: WITHOUT_MODULES.to_owned(),
                outcome: Outcome::Exited(code),
                milliseconds: 1,
                output: String::from(output),
                skipped: String::new(),
            };
            of_machine(&[ended])[WITHOUT_MODULES].clone()
        };
        assert_eq!(verdict(0, "Linux 6.12 will do; hook: tcx"), Verdict::Passed);
        assert_eq!(verdict(2, "modules sch_ingress and"), Verdict::Passed);
        for (code, output) in [(0, "hook: clsact"), (2, "killed"), (101, "sch_ingress")] {
            assert!(matches!(verdict(code, output), Verdict::Failed(_)));
        }
    }

    #[test]
    fn what_the_kernel_complains_about_is_a_failure() {
        let lines = vec!["WARNING: CPU: 0".to_owned()];
        let results = of_machine(&[Message::Complaints { lines }]);
        assert_eq!(count(&results), (1, 0, 0));
    }
}
