//! `enforcer-bench`: one verb for each bench. `cargo xtask bench` builds it and runs it as root.

#![forbid(unsafe_code)]

use clap::{Parser, Subcommand};
use enforcer_bench::{denials, packets, path, render, scale, updates};

/// Measures what enforcer costs (root).
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    bench: Bench,
}

#[derive(Subcommand)]
enum Bench {
    /// What a packet costs in the programs.
    Packets(packets::Arguments),
    /// What a path between pods loses, against baselines.
    Path(path::Arguments),
    /// How long a change of policy takes until it judges packets.
    Updates(updates::Arguments),
    /// What a storm of denials costs the daemon.
    Denials(denials::Arguments),
    /// What the compiler needs for big clusters.
    Scale(scale::Arguments),
    /// Write reports into the documentation.
    Render(render::Arguments),
}

fn main() -> anyhow::Result<()> {
    match Arguments::parse().bench {
        Bench::Packets(arguments) => packets::run(&arguments),
        Bench::Path(arguments) => path::run(&arguments),
        Bench::Updates(arguments) => updates::run(&arguments),
        Bench::Denials(arguments) => denials::run(&arguments),
        Bench::Scale(arguments) => scale::run(&arguments),
        Bench::Render(arguments) => render::run(&arguments),
    }
}
