//! `cargo xtask envtest`: the cluster tests, against a control plane of real servers.

mod go;
mod programs;

use std::ffi::OsString;

use anyhow::Result;

use crate::{build_ebpf, machine, setup, shell, test};

pub(crate) use programs::ensure;

/// Where the cluster tests look for the programs.
pub(crate) const ASSETS: &str = "KUBEBUILDER_ASSETS";

/// Which tests to run.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Passed on to the tests: part of a test's name, `--nocapture`, …
    #[arg(last = true)]
    test: Vec<OsString>,
}

/// Builds everything as this user, then runs the cluster tests as root.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let runner = machine::as_root("env", "load BPF programs and make network namespaces")?;
    let assets = ensure()?;
    let toolchain = setup::run()?;
    build_ebpf::object(&toolchain)?;
    let mut cargo = machine::cargo();
    cargo
        .args(["test", "--no-fail-fast", "-p", "enforcer-cluster"])
        .args(["-p", "enforcer", "--test", "cluster_*", "--"])
        .args(&arguments.test)
        .env(ASSETS, assets);
    test::run_by(&runner, &mut cargo);
    shell::show("cluster tests", cargo)
}
