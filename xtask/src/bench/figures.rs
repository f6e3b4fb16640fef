//! The benches of the crate `enforcer-bench`: built here, run as root, each with a report below
//! `target/bench`.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use crate::{build_ebpf, envtest, machine, setup, shell, workspace};

/// One of them. What follows its name is for the bench: `--help` says what it takes.
#[derive(clap::Subcommand)]
pub(super) enum Bench {
    /// What a packet costs in the programs, in nanoseconds (root or sudo).
    #[command(disable_help_flag = true)]
    Packets(Passed),
    /// What a path between two pods loses, against baselines (root or sudo).
    #[command(disable_help_flag = true)]
    Path(Passed),
    /// How long a change of policy takes until it judges packets (root or sudo).
    #[command(disable_help_flag = true)]
    Updates(Passed),
    /// What a storm of denials costs the daemon, and how much of it is told (root or sudo).
    #[command(disable_help_flag = true)]
    Denials(Passed),
    /// What the compiler needs for big clusters (root or sudo).
    #[command(disable_help_flag = true)]
    Scale(Passed),
}

/// For the bench.
#[derive(clap::Args)]
pub(super) struct Passed {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    words: Vec<OsString>,
}

/// How to run all of them. The bench `memory` is not among them: it builds a control plane and
/// takes ten minutes.
#[derive(clap::Args)]
pub(super) struct All {
    /// Only prove that everything runs.
    #[arg(long)]
    quick: bool,
    /// Then write what was found into docs/benchmarks.md.
    #[arg(long, conflicts_with = "quick")]
    write: bool,
}

impl All {
    /// Nothing is measured that is worth anything.
    pub(super) const QUICK: Self = Self {
        quick: true,
        write: false,
    };
}

const NAMES: [&str; 5] = ["packets", "path", "updates", "denials", "scale"];

/// Runs one.
pub(super) fn run(bench: &Bench) -> Result<()> {
    let (name, passed) = match bench {
        Bench::Packets(passed) => ("packets", passed),
        Bench::Path(passed) => ("path", passed),
        Bench::Updates(passed) => ("updates", passed),
        Bench::Denials(passed) => ("denials", passed),
        Bench::Scale(passed) => ("scale", passed),
    };
    let quick = passed.words.iter().any(|word| word == "--quick");
    let profile = Profile::of(quick);
    build(profile)?;
    measure(profile, name, &passed.words)
}

/// Runs all, one after the other.
pub(super) fn run_all(arguments: &All) -> Result<()> {
    let profile = Profile::of(arguments.quick);
    build(profile)?;
    let words: &[&str] = if arguments.quick { &["--quick"] } else { &[] };
    NAMES
        .iter()
        .try_for_each(|name| measure(profile, name, words))?;
    if arguments.write { write() } else { Ok(()) }
}

/// Makes the generated parts of the documentation new.
fn write() -> Result<()> {
    let mut command = Command::new(program(Profile::Release));
    command.arg("render").args(NAMES.map(json));
    command.arg("--docs").arg(workspace::root().join("docs"));
    shell::step("docs/benchmarks.md", command)
}

/// How the benches are built.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Profile {
    /// For figures.
    Release,
    /// As tests are, which is there already: to see that everything runs.
    Dev,
}

impl Profile {
    const fn of(quick: bool) -> Self {
        if quick { Self::Dev } else { Self::Release }
    }
}

fn program(profile: Profile) -> PathBuf {
    let directory = match profile {
        Profile::Release => "release",
        Profile::Dev => "debug",
    };
    workspace::target().join(directory).join("enforcer-bench")
}

/// Builds them.
pub(crate) fn build(profile: Profile) -> Result<()> {
    let toolchain = setup::run()?;
    build_ebpf::object(&toolchain)?;
    build_ebpf::bench_object(&toolchain)?;
    let mut cargo = machine::cargo();
    cargo.args(["build", "--locked"]);
    if profile == Profile::Release {
        cargo.arg("--release");
    }
    cargo.args(["--package", "enforcer", "--package", "enforcer-bench"]);
    shell::step("enforcer and its benches", cargo)
}

fn measure(profile: Profile, name: &str, words: &[impl AsRef<OsStr>]) -> Result<()> {
    let why = "load BPF programs and make network namespaces";
    let mut command = machine::as_root(program(profile), why)?;
    command.arg(name).arg("--json").arg(json(name)).args(words);
    command.env("ENFORCER_BENCH_REVISION", revision());
    if name == "updates" {
        // One of its sources of changes is a real API server.
        command.env(envtest::ASSETS, envtest::ensure()?);
    }
    shell::show(name, command)
}

/// Where a bench leaves its report.
fn json(name: &str) -> PathBuf {
    workspace::target().join(format!("bench/{name}.json"))
}

/// Which sources are measured; empty where git cannot tell.
fn revision() -> String {
    let mut git = Command::new("git");
    git.current_dir(workspace::root());
    git.args(["describe", "--always", "--dirty", "--exclude", "*"]);
    shell::quiet(git).unwrap_or_default().trim().to_owned()
}
