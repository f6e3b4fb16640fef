//! Which tests run in machines.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};
use enforcer_vm::Job;
use serde_json::Value;

use super::arch::Arch;
use super::{guest, programs};
use crate::{build_ebpf, machine, shell, workspace};

/// A test target of the crate `enforcer`.
struct Suite {
    name: &'static str,
    /// Those of its tests that run; all when empty.
    only: &'static [&'static str],
    seconds: u64,
}

/// How many seconds a suite may take that somebody asked for by name.
const LONGEST: u64 = 3600;

/// What shows that this kernel takes the programs, that they mean the same there, that they can be
/// attached and exchanged, and that a daemon enforces with them. Minutes without KVM.
const CHOSEN: [Suite; 4] = [
    Suite {
        name: "kernel",
        only: &["clock", "lengths"],
        seconds: 900,
    },
    Suite::whole("attach", 900),
    Suite::whole("discover", 900),
    Suite {
        name: "wire_daemon",
        only: &["programs_enforce_until_they_are_cleaned_up"],
        seconds: 900,
    },
];

/// The same for another processor's machine, which has no tools.
const ELSEWHERE: [Suite; 1] = [Suite {
    name: "kernel",
    only: &["clock", "lengths"],
    seconds: 1800,
}];

/// Everything that makes sense in a machine.
const ALL: [Suite; 7] = [
    Suite::whole("kernel", 1200),
    Suite::whole("attach", 600),
    Suite::whole("discover", 300),
    Suite::whole("wire_daemon", 1800),
    Suite::whole("wire_privileges", 900),
    Suite::whole("wire_services", 3600),
    Suite::whole("wire_adoption", 2400),
];

impl Suite {
    const fn whole(name: &'static str, seconds: u64) -> Self {
        Self {
            name,
            only: &[],
            seconds,
        }
    }

    fn job(&self) -> Job {
        job(self.name, self.only, self.seconds)
    }
}

/// What a machine does for a suite.
fn job(name: &str, only: &[&str], seconds: u64) -> Job {
    let mut arguments = vec!["--test-threads=1".to_owned()];
    arguments.extend(only.iter().map(|&name| name.to_owned()));
    Job {
        name: name.to_owned(),
        arguments,
        environment: environment(),
        directory: workspace::root().join("enforcer"),
        seconds,
        modules: true,
        ..Job::default()
    }
}

/// What jobs that test or measure packets find in their environment.
pub(super) fn environment() -> BTreeMap<String, String> {
    [
        ("RUST_BACKTRACE", "0"),
        ("ENFORCER_TOLD_OBJECT", guest::TOLD_OBJECT),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into()
}

/// The suites of a run with what a machine does for each, and their programs, built.
pub(super) fn jobs(chosen: &[String], all: bool, arch: Arch) -> Result<Vec<(Job, PathBuf)>> {
    let mut jobs: Vec<Job> = Vec::new();
    if chosen.is_empty() {
        let suites: &[Suite] = match (arch.is_this_machines(), all) {
            (true, true) => &ALL,
            (true, false) => &CHOSEN,
            (false, _) => &ELSEWHERE,
        };
        jobs.extend(suites.iter().map(Suite::job));
    }
    for one in chosen {
        let (suite, test) = one.split_once(':').unwrap_or((one, ""));
        jobs.push(job(
            suite,
            &[test][..usize::from(!test.is_empty())],
            LONGEST,
        ));
    }
    let names: BTreeSet<&str> = jobs.iter().map(|job| job.name.as_str()).collect();
    let programs = build(&names, arch)?;
    jobs.into_iter()
        .map(|mut job| {
            let program = programs
                .get(&job.name)
                .with_context(|| format!("cargo built no test {}", job.name))?;
            job.program.clone_from(program);
            Ok((job, program.clone()))
        })
        .collect()
}

/// Builds the suites as `cargo xtask test` does, so that nothing is built twice, and gives their
/// programs by name.
fn build(names: &BTreeSet<&str>, arch: Arch) -> Result<BTreeMap<String, PathBuf>> {
    let cargo = || -> Result<Command> {
        let mut cargo = machine::cargo();
        cargo.args(["test", "--locked", "--no-run"]);
        if arch.is_this_machines() {
            cargo.args(["--workspace", "--exclude", build_ebpf::PACKAGE]);
            cargo.args(["--exclude", build_ebpf::BENCH_PACKAGE]);
        } else {
            programs::cross(&mut cargo, arch)?;
            cargo.args(["--package", "enforcer"]);
        }
        for name in names {
            cargo.args(["--test", name]);
        }
        Ok(cargo)
    };
    shell::step("tests for machines", cargo()?)?;
    let mut listed = cargo()?;
    listed.args(["--message-format", "json"]);
    Ok(executables(&shell::quiet(listed)?))
}

/// The programs that cargo says that it built.
fn executables(messages: &str) -> BTreeMap<String, PathBuf> {
    messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter_map(|message| {
            let name = message["target"]["name"].as_str()?;
            let executable = message["executable"].as_str()?;
            Some((name.to_owned(), PathBuf::from(executable)))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cargo_tells_which_programs_it_built() {
        let messages = r#"
{"reason":"compiler-artifact","target":{"name":"nix"},"executable":null}
{"reason":"compiler-artifact","target":{"name":"kernel"},"executable":"/t/kernel-1"}
{"reason":"build-finished","success":true}"#;
        let expected = BTreeMap::from([("kernel".to_owned(), PathBuf::from("/t/kernel-1"))]);
        assert_eq!(executables(messages), expected);
    }
}
