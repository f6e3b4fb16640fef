//! `enforcer connectivity`.

mod pods;
mod show;
mod test;

use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Args, Subcommand};

/// Try real connections in a cluster.
#[derive(Debug, Args)]
pub(super) struct ConnectivityArgs {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Test(test::TestArgs),
    Serve(pods::ServeArgs),
    Probe(pods::ProbeArgs),
}

pub(super) fn run(args: ConnectivityArgs) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("no async runtime")?;
    runtime.block_on(async {
        match args.verb {
            Verb::Test(args) => test::run(args).await,
            Verb::Serve(args) => pods::serve(&args).await,
            Verb::Probe(args) => pods::probe(&args).await,
        }
    })
}
