//! `cargo xtask test`: every test, with the real BPF object in the real kernel.

mod skipped;

use std::ffi::OsString;
use std::process::Command;

use anyhow::Result;

use crate::{build_ebpf, envtest, machine, setup, shell, ui};
use skipped::Skipped;

/// What to run.
#[derive(clap::Args, Default)]
pub(crate) struct Arguments {
    /// Passed on to `cargo test`, for example `-p enforcer-policy`, a test's name, or
    /// `-- --nocapture`.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    cargo_test: Vec<OsString>,
}

/// Builds everything as this user, then runs the tests as root.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    // Asked first: nobody should wait for a build to learn that it was in vain.
    let runner = machine::as_root("env", "load BPF programs and make network namespaces")?;
    let assets = envtest::ensure()?;
    let hubble = envtest::HUBBLE.ensure()?;
    let monitoring = envtest::MONITORING.ensure()?;
    let toolchain = setup::run()?;
    build_ebpf::object(&toolchain)?;
    build_ebpf::bench_object(&toolchain)?;
    let mut cargo = machine::cargo();
    cargo.args(["test", "--no-fail-fast"]);
    if !arguments
        .cargo_test
        .iter()
        .any(|word| word == "-p" || word == "--package")
    {
        cargo.arg("--workspace");
        cargo.args(["--exclude", build_ebpf::PACKAGE]);
        cargo.args(["--exclude", build_ebpf::BENCH_PACKAGE]);
    }
    cargo.args(&arguments.cargo_test);
    let seed = std::env::var(SEED).unwrap_or_else(|_| DEFAULT_SEED.to_owned());
    ui::line(format_args!(
        "property tests use {SEED}={seed}; set it to try other cases"
    ));
    if std::env::var_os(THREADS).is_none() {
        let cores = std::thread::available_parallelism()?.get();
        cargo.env(THREADS, (2 * cores).to_string());
    }
    cargo
        .env(SEED, seed)
        .env(envtest::ASSETS, assets)
        .env(envtest::HUBBLE.variable, hubble)
        .env(envtest::MONITORING.variable, monitoring);
    run_by(&runner, &mut cargo);
    let skipped = Skipped::of(&mut cargo)?;
    let outcome = shell::show("tests", cargo).and_then(|()| build_ebpf::report());
    // Last, where it is seen.
    skipped.show()?;
    outcome
}

/// Makes cargo run test binaries by this command. Cargo and what it builds stay this user's; only
/// the test binaries run as root.
pub(crate) fn run_by(runner: &Command, cargo: &mut Command) {
    if !machine::is_root() {
        let words: Vec<_> = std::iter::once(runner.get_program())
            .chain(runner.get_args())
            .collect();
        cargo.env(runner_variable(), words.join(" ".as_ref()));
    }
}

/// Where proptest takes the seed of its cases from.
const SEED: &str = "PROPTEST_RNG_SEED";

/// How many tests of a binary run at once.
///
/// Twice as many as there are cores unless it is set: tests on the wire wait for most of their time, because
/// what is denied is known only when nothing has come.
const THREADS: &str = "RUST_TEST_THREADS";

/// The same cases for everybody, so that a red run is somebody's change.
const DEFAULT_SEED: &str = "1";

/// The variable that tells cargo by what to run binaries of this machine's target.
fn runner_variable() -> String {
    let arch = std::env::consts::ARCH.to_uppercase();
    format!("CARGO_TARGET_{arch}_UNKNOWN_LINUX_GNU_RUNNER")
}
