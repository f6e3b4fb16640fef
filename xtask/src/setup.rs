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
const TOOLS: [apt::Package; 1] = [apt::Package {
    name: "iproute2",
    why: "`ip`: the demo and the wire tests make network namespaces and veths",
    at_least: None,
}];

/// Installs what is missing, and says what; quick when nothing is.
pub(crate) fn run() -> Result<Toolchain> {
    let start = Instant::now();
    let toolchain = if apt::is_here() {
        apt::ensure(&[&toolchain::DEBIAN[..], &TOOLS[..]].concat())?;
        toolchain::debian()
    } else {
        if machine::find("ip").is_none() {
            bail!("`ip` is missing: install iproute2 (this machine has no apt-get to do it with)");
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
