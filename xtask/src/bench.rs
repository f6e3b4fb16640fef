//! `cargo xtask bench`: what enforcer needs, measured.

pub(crate) mod figures;
mod memory;

use anyhow::Result;

/// What to measure.
#[derive(clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    which: Option<Which>,
    #[command(flatten)]
    all: figures::All,
}

impl Arguments {
    /// All of them, and only to see that they run.
    pub(crate) const QUICK: Self = Self {
        which: None,
        all: figures::All::QUICK,
    };
}

#[derive(clap::Subcommand)]
enum Which {
    /// The daemon's memory in a big cluster: a real API server, full of objects (root or sudo).
    Memory(memory::Arguments),
    #[command(flatten)]
    Figures(figures::Bench),
}

/// Measures and says so.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    match &arguments.which {
        None => figures::run_all(&arguments.all),
        Some(Which::Memory(arguments)) => memory::run(arguments),
        Some(Which::Figures(bench)) => figures::run(bench),
    }
}
