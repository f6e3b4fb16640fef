//! `cargo xtask demo`: a policy at work between three network namespaces.

mod connection;
mod daemon;
mod flow;
mod interrupt;
mod netns;
mod pods;
mod probe;
mod stage;
mod story;
mod suggest;
mod table;

use std::env;

use anyhow::{Context, Result};

use crate::{build, machine, shell, ui};

const PURPOSE: &str = "make network namespaces and load BPF programs";

/// How to show it.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Leave everything standing after the last step, to play with, until Ctrl-C.
    #[arg(long)]
    keep: bool,
    /// Show it with what is built already.
    #[arg(long, hide = true)]
    built: bool,
}

/// Builds as this user, then shows the demo as root.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let xtask = env::current_exe().context("finding this program")?;
    // Asked first: nobody should wait for a build to learn that it was in vain.
    let mut again = machine::as_root(xtask, PURPOSE)?;
    if !arguments.built {
        build::release()?;
    }
    if machine::is_root() {
        return story::tell(arguments.keep);
    }
    again.args(["demo", "--built"]);
    if arguments.keep {
        again.arg("--keep");
    }
    if !ui::fancy() {
        again.arg("--plain");
    }
    shell::show("as root", again)
}
