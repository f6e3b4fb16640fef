//! `enforcer status`.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args;

use super::Output;
use crate::api::client::{self, ClientError};
use crate::api::{DEFAULT_SOCKET, Status};

const EXAMPLES: &str = "Examples:
  enforcer status
  enforcer status --wait --timeout 30 && echo in force
  enforcer status --output json | jq '.endpoints[] | select(.not_enforced)'

Exit codes: 0 everything read is in force; 1 something is not (see Problems and Faults); 2 no
daemon answers.";

/// How long problems must last before --wait gives up on them: editors write files in steps.
const PATIENCE: Duration = Duration::from_secs(2);

/// Time between two looks.
const INTERVAL: Duration = Duration::from_millis(50);

/// Show what the daemon enforces, and what it cannot and why.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct StatusArgs {
    /// Have the manifests read anew and wait until they are in force. Gives up early when they
    /// have mistakes that stay.
    #[arg(long)]
    wait: bool,
    /// Seconds to wait at most, with --wait.
    #[arg(long, value_name = "S", default_value_t = 30.0)]
    timeout: f64,
    /// The daemon's socket.
    #[arg(long, value_name = "PATH", default_value = DEFAULT_SOCKET)]
    socket: PathBuf,
    /// How to print.
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

pub(super) fn run(args: &StatusArgs) -> anyhow::Result<ExitCode> {
    let status = if args.wait {
        wait(args)?
    } else {
        client::status(&args.socket, false)?
    };
    let mut out = std::io::stdout().lock();
    match args.output {
        Output::Text => write!(out, "{status}")?,
        Output::Json => writeln!(out, "{}", serde_json::to_string(&status)?)?,
    }
    Ok(if status.in_force {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(1)
    })
}

/// Asks until the answer is yes, the time is over, or the same mistakes have lasted a while.
fn wait(args: &StatusArgs) -> Result<Status, ClientError> {
    let begin = Instant::now();
    let timeout = Duration::try_from_secs_f64(args.timeout).unwrap_or(Duration::ZERO);
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
