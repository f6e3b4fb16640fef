//! What the test's pods run.

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use tokio::signal::unix::{SignalKind, signal};

use crate::connectivity::attempt::Target;
use crate::connectivity::probe::{self, Timing};
use crate::connectivity::serve;

/// Send back what comes: the test's servers do.
#[derive(Debug, Args)]
pub(super) struct ServeArgs {
    /// A TCP port; may be repeated.
    #[arg(long, value_name = "PORT")]
    tcp: Vec<u16>,
    /// A UDP port; may be repeated.
    #[arg(long, value_name = "PORT")]
    udp: Vec<u16>,
}

/// Try targets again and again and write a line of JSON about each attempt: the test's clients do.
#[derive(Debug, Args)]
pub(super) struct ProbeArgs {
    /// tcp://ADDRESS:PORT, udp://ADDRESS:PORT or kept://ADDRESS:PORT (a TCP connection that stays open).
    #[arg(value_name = "TARGET", required = true)]
    targets: Vec<Target>,
    /// Between the beginnings of two attempts at one target.
    #[arg(long, value_name = "MS", default_value_t = 250, value_parser = clap::value_parser!(u64).range(1..))]
    interval_ms: u64,
    /// After which an attempt counts as not answered.
    #[arg(long, value_name = "MS", default_value_t = 1000, value_parser = clap::value_parser!(u64).range(1..))]
    patience_ms: u64,
}

pub(super) async fn serve(args: &ServeArgs) -> anyhow::Result<ExitCode> {
    tokio::select! {
        served = serve::serve(&args.tcp, &args.udp) => served?,
        told = told_to_end() => told?,
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn probe(args: &ProbeArgs) -> anyhow::Result<ExitCode> {
    let timing = Timing {
        interval: Duration::from_millis(args.interval_ms),
        patience: Duration::from_millis(args.patience_ms),
    };
    let mut out = std::io::stdout();
    tokio::select! {
        probed = probe::probe(&args.targets, timing, &mut out) => probed?,
        told = told_to_end() => told?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Ctrl-C, SIGTERM, or a terminal that went away. The first process of a container gets no signal that it does not ask for.
pub(super) async fn told_to_end() -> std::io::Result<()> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hangup = signal(SignalKind::hangup())?;
    tokio::select! {
        _ = hangup.recv() => {}
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    Ok(())
}
