//! `cargo xtask setup`: everything that building and running the BPF programs needs.

pub(crate) mod apt;
mod linker;
mod toolchain;

use std::time::Instant;

use anyhow::{Result, bail};

pub(crate) use toolchain::Toolchain;

use crate::machine;
use crate::shell;

/// What the machine needs besides the BPF toolchain.
const TOOLS: [apt::Package; 9] = [
    apt::Package {
        name: "iproute2",
        why: "`ip`: the demo and the wire tests make network namespaces and veths",
        at_least: None,
    },
    apt::Package {
        name: "nftables",
        why: "`nft`: the wire tests have kube-proxy's rules in its nftables mode",
        at_least: None,
    },
    apt::Package {
        name: "iptables",
        why: "`iptables-nft-restore`: the same in its iptables mode",
        at_least: None,
    },
    apt::Package {
        name: "ipset",
        why: "`ipset`: the bench of a path compares with sets as kube-router has them",
        at_least: None,
    },
    apt::Package {
        name: "iputils-ping",
        why: "`ping`: the wire tests ask with it what users would",
        at_least: None,
    },
    apt::Package {
        name: "iputils-tracepath",
        why: "`tracepath`: the wire tests discover path MTUs with it",
        at_least: None,
    },
    apt::Package {
        name: "containernetworking-plugins",
        why: "`ptp`, `bridge` and others: the CNI plugin is tested behind the real ones",
        at_least: None,
    },
    apt::Package {
        name: "traceroute",
        why: "`traceroute`: the wire tests look through the node with it",
        at_least: None,
    },
    apt::Package {
        name: "chromium-headless-shell",
        why: "a browser without a window: the page of `enforcer ui` is tested in it",
        at_least: None,
    },
];

/// For machines without apt: the program of each of these, and what it is installed by.
const PROGRAMS: [(&str, &str); 8] = [
    ("ip", "iproute2"),
    ("nft", "nftables"),
    ("iptables-nft-restore", "iptables"),
    ("ipset", "ipset"),
    ("ping", "iputils-ping"),
    ("tracepath", "iputils-tracepath"),
    ("traceroute", "traceroute"),
    ("chromium-headless-shell", "chromium-headless-shell"),
];

/// Installs what is missing, and says what; quick when nothing is.
pub(crate) fn run() -> Result<Toolchain> {
    let start = Instant::now();
    let toolchain = if apt::is_here() {
        apt::ensure(&[&toolchain::DEBIAN[..], &TOOLS[..]].concat())?;
        toolchain::debian()
    } else {
        for (program, package) in PROGRAMS {
            if machine::find(program).is_none() {
                bail!(
                    "`{program}` is missing: install {package} (this machine has no apt-get to do \
                     it with)"
                );
            }
        }
        toolchain::nightly()?
    };
    let toolchain = toolchain.with_linker()?;
    shell::done(
        &format!("BPF toolchain: {}", toolchain.name),
        start.elapsed(),
    );
    Ok(toolchain)
}
