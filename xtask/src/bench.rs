//! `cargo xtask bench`: what enforcer needs, measured.

mod memory;

use anyhow::Result;

/// What to measure.
#[derive(clap::Subcommand)]
pub(crate) enum Bench {
    /// The daemon's memory in a big cluster: a real API server, full of objects (root or sudo).
    Memory(memory::Arguments),
}

/// Measures and says so.
pub(crate) fn run(bench: &Bench) -> Result<()> {
    match bench {
        Bench::Memory(arguments) => memory::run(arguments),
    }
}
