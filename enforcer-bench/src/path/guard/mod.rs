//! What may stand between two pods.

mod empty;
mod enforcer;
mod iptables;
mod nfqueue;
mod nftables;

use std::fs;

use anyhow::{Context, Result};
use enforcer_lab::{Daemon, Lab};

use super::cluster::Cluster;

pub(super) use enforcer::Events;
pub(super) use iptables::is_legacy;

/// A kind of filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Guard {
    /// Nothing.
    Nothing,
    /// TCX programs that do nothing, on all four hooks of the two links.
    Empty,
    /// The daemon.
    Enforcer(Events),
    /// nftables: connections first, then a chain for each pod with a rule and a set for each policy.
    Nftables,
    /// iptables and ipset, as kube-router has them.
    Iptables,
    /// A program that judges the first packet of each connection.
    Nfqueue,
}

/// What has to stay as long as the filter is to work.
pub(super) enum Held {
    /// The kernel has everything.
    Nothing,
    /// The programs are attached as long as they are held.
    Empty { _programs: empty::Attached },
    /// The daemon runs.
    Daemon(Daemon),
    /// A thread of this process judges.
    Reader(nfqueue::Reader),
}

impl Guard {
    /// Whether it stands on the kernel's table of connections.
    pub(super) const fn tracks(self) -> bool {
        matches!(self, Self::Nftables | Self::Iptables | Self::Nfqueue)
    }

    /// Whether it lets through what policies deny.
    pub(super) const fn lets_all_pass(self) -> bool {
        matches!(self, Self::Nothing | Self::Empty)
    }

    /// Builds it.
    pub(super) fn build(self, lab: &Lab, cluster: &Cluster<'_>) -> Result<Held> {
        match self {
            Self::Nothing => Ok(Held::Nothing),
            Self::Empty => {
                let links = [&*cluster.client.host_link, &*cluster.server.host_link];
                let programs = empty::attach(lab, &links)?;
                Ok(Held::Empty {
                    _programs: programs,
                })
            }
            Self::Enforcer(events) => enforcer::start(lab, cluster, events).map(Held::Daemon),
            Self::Nftables => nftables::load(lab, cluster).map(|()| Held::Nothing),
            Self::Iptables => iptables::load(lab, cluster).map(|()| Held::Nothing),
            Self::Nfqueue => nfqueue::start(lab, cluster).map(Held::Reader),
        }
    }
}

/// Hands a text to a program that reads it from a file.
fn feed(lab: &Lab, program: &str, arguments: &str, text: &str) -> Result<()> {
    let path = lab.home().join("rules");
    fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
    let words = arguments.replace("FILE", &path.display().to_string());
    lab.command(program, &words).with_context(|| {
        format!("giving its rules to {program}: is it installed (`cargo xtask setup`)?")
    })?;
    Ok(())
}
