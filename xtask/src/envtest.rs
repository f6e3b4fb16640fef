//! `cargo xtask envtest`: the cluster tests, against a control plane of real servers.

mod go;
mod programs;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::{build_ebpf, machine, setup, shell, test, ui, workspace};

pub(crate) use programs::{CONTROL_PLANE, HUBBLE, MONITORING};

/// Where the cluster tests look for the programs.
pub(crate) const ASSETS: &str = CONTROL_PLANE.variable;

/// The programs of the control plane.
pub(crate) fn ensure() -> Result<PathBuf> {
    CONTROL_PLANE.ensure()
}

/// Which tests to run.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Run no tests: start a control plane, print the administrator's kubeconfig, and keep it until
    /// Ctrl-C.
    #[arg(long, conflicts_with = "test")]
    hold: bool,
    /// Passed on to the tests: part of a test's name, `--nocapture`, …
    #[arg(last = true)]
    test: Vec<OsString>,
}

/// Builds everything as this user, then runs the cluster tests as root.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    if arguments.hold {
        return hold();
    }
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

/// A control plane to try things on; it needs no root.
fn hold() -> Result<()> {
    let assets = ensure()?;
    let mut build = machine::cargo();
    build.args(["build", "--quiet", "-p", "enforcer-cluster"]);
    shell::step("enforcer-cluster", build)?;
    ui::line(format_args!(
        "programs are in {}; this is the kubeconfig (Ctrl-C ends it):",
        assets.display()
    ));
    let status = Command::new(workspace::target().join("debug/enforcer-cluster"))
        .env(ASSETS, assets)
        .status()
        .context("starting enforcer-cluster")?;
    if status.success() {
        return Ok(());
    }
    bail!("enforcer-cluster failed ({status})")
}
