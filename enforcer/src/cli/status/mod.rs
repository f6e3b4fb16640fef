//! `enforcer status`.

mod cluster;

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args;
use jiff::Timestamp;

use super::Output;
use super::cluster::{ClusterArgs, SOME};
use super::colour::ColourArgs;
use crate::api::client::{self, ClientError};
use crate::api::{DEFAULT_SOCKET, Status};
use crate::screen::{Level, NodeScreen, findings};

const EXAMPLES: &str = "Examples:
  enforcer status
  enforcer status --cluster
  enforcer status --wait --timeout 30 && echo in force
  enforcer status --output json | jq '.endpoints[] | select(.not_enforced)'

What needs attention is red, what is worth knowing yellow, and what to run next stands at the end.

Exit codes: 0 nothing is red; 1 something is; 2 no daemon answers, or with --cluster nobody says which
nodes there are. With --wait 0 as soon as everything that was read is in force, whatever cannot be enforced.
Environment: NO_COLOR switches colour off where --color does not say always.";

/// How long problems must last before --wait gives up on them: editors write files in steps.
const PATIENCE: Duration = Duration::from_secs(2);

/// Time between two looks.
const INTERVAL: Duration = Duration::from_millis(50);

/// Show what the daemon enforces, and what it cannot and why.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct StatusArgs {
    /// Have the manifests read anew and wait until they are in force. Gives up early when they
    /// have mistakes that stay. With --cluster: wait until no node needs attention.
    #[arg(long)]
    wait: bool,
    /// Seconds to wait at most, with --wait.
    #[arg(long, value_name = "S", default_value_t = 30.0)]
    timeout: f64,
    /// List every pod and policy, and all counters.
    #[arg(long, short, conflicts_with = "cluster")]
    verbose: bool,
    /// The daemon's socket.
    #[arg(long, value_name = "PATH", default_value = DEFAULT_SOCKET)]
    socket: PathBuf,
    /// How to print.
    #[arg(long, value_enum, default_value_t)]
    output: Output,
    #[command(flatten)]
    colour: ColourArgs,
    #[command(flatten)]
    cluster: ClusterArgs,
}

impl StatusArgs {
    fn timeout(&self) -> Duration {
        Duration::try_from_secs_f64(self.timeout).unwrap_or(Duration::ZERO)
    }
}

pub(super) fn run(args: &StatusArgs) -> anyhow::Result<ExitCode> {
    let well = if args.cluster.cluster {
        cluster(args)?
    } else {
        node(args)?
    };
    Ok(if well {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(SOME)
    })
}

/// Shows this node; whether all is well.
fn node(args: &StatusArgs) -> anyhow::Result<bool> {
    let status = if args.wait {
        wait(args)?
    } else {
        client::status(&args.socket, false)?
    };
    let screen = NodeScreen {
        status: &status,
        now: Timestamp::now(),
        colour: args.colour.is_wanted(),
        verbose: args.verbose,
    };
    let mut out = std::io::stdout().lock();
    match args.output {
        Output::Text => write!(out, "{screen}")?,
        Output::Json => writeln!(out, "{}", serde_json::to_string(&status)?)?,
    }
    let red = || findings(&status).iter().any(|one| one.level == Level::Bad);
    Ok(status.in_force && (args.wait || !red()))
}

/// Shows all nodes; whether all is well.
fn cluster(args: &StatusArgs) -> anyhow::Result<bool> {
    let wait = args.wait.then(|| args.timeout());
    let mut screen = cluster::ask(&args.cluster, wait)?;
    screen.colour = args.colour.is_wanted();
    let mut out = std::io::stdout().lock();
    match args.output {
        Output::Text => write!(out, "{screen}")?,
        Output::Json => writeln!(out, "{}", serde_json::to_string(&screen)?)?,
    }
    Ok(screen.is_healthy())
}

/// Asks until the answer is yes, the time is over, or the same mistakes have lasted a while.
fn wait(args: &StatusArgs) -> Result<Status, ClientError> {
    let begin = Instant::now();
    let timeout = args.timeout();
    let mut problems = (begin, Vec::new());
    loop {
        let answer = client::status(&args.socket, true);
        let over = begin.elapsed() >= timeout;
        match answer {
            Ok(status) if status.in_force || over => return Ok(status),
            Ok(status) => {
                if status.problems != problems.1 {
                    problems = (Instant::now(), status.problems.clone());
                }
                if !problems.1.is_empty() && problems.0.elapsed() >= PATIENCE {
                    return Ok(status);
                }
            }
            // The daemon may be starting.
            Err(ClientError::Connect { .. } | ClientError::Broken { .. }) if !over => {}
            Err(error) => return Err(error),
        }
        std::thread::sleep(INTERVAL);
    }
}
