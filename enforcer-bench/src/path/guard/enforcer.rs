//! The daemon as users run it: the release binary, with a directory of manifests.

use std::env;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use enforcer_lab::{Daemon, Lab};

use super::super::cluster::Cluster;

/// Which new connections the programs report to the daemon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Events {
    /// As many as the daemon takes by default.
    Default,
    /// Every single one.
    All,
}

/// More events than any machine has connections.
const ALL: u32 = 10_000_000;

const START: Duration = Duration::from_secs(120);

/// Starts it and waits until the policies are in force.
pub(super) fn start(lab: &Lab, cluster: &Cluster<'_>, events: Events) -> Result<Daemon> {
    let program = program()?;
    lab.write_manifest("cluster.yaml", &cluster.manifests())?;
    let arguments = match events {
        Events::Default => "--node node".to_owned(),
        Events::All => format!("--node node --events-per-second {ALL}"),
    };
    let daemon = lab.start(&program, &arguments)?;
    daemon.wait_ready(START).context("waiting for the daemon")?;
    Ok(daemon)
}

/// The binary beside this one.
fn program() -> Result<PathBuf> {
    let own = env::current_exe().context("where is this program?")?;
    let program = own.with_file_name("enforcer");
    ensure!(
        program.exists(),
        "there is no {}: build it by `cargo build --release --package enforcer`, or measure by `cargo xtask bench path`",
        program.display()
    );
    Ok(program)
}
