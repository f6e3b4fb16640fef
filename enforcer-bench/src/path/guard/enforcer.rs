//! The daemon as users run it: the release binary, with a directory of manifests.

use std::time::Duration;

use anyhow::{Context, Result};
use enforcer_lab::{Daemon, Lab};

use super::super::cluster::Cluster;
use crate::program::Program;

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
    let program = Program::default().path()?;
    lab.write_manifest("cluster.yaml", &cluster.manifests())?;
    let arguments = match events {
        Events::Default => "--node node".to_owned(),
        Events::All => format!("--node node --events-per-second {ALL}"),
    };
    let daemon = lab.start(&program, &arguments)?;
    daemon.wait_ready(START).context("waiting for the daemon")?;
    Ok(daemon)
}
