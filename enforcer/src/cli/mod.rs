//! The command line, one file for each verb.

mod access;
pub mod check;
mod cleanup;
mod cluster;
mod cni;
mod colour;
mod connectivity;
pub mod cut;
mod debug;
mod export;
mod flows;
mod hubble;
mod output;
pub mod policy;
mod progress;
mod recorded;
mod replay;
mod run;
mod status;
pub mod trace;
mod ui;

use std::io::Write as _;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::datapath::features;

pub use output::Output;

/// Makes Kubernetes network policies true on any CNI.
#[derive(Debug, Parser)]
#[command(name = "enforcer", version, after_help = EXIT_CODES)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

const EXIT_CODES: &str = "Exit codes: 0 success; 1 a clear \"no\" (not in force, connection denied, warnings with \
    --deny-warnings); 2 an error. Each verb's --help says more.";

#[derive(Debug, Subcommand)]
enum Verb {
    Check(check::CheckArgs),
    Trace(trace::TraceArgs),
    Run(run::RunArgs),
    Status(status::StatusArgs),
    Flows(flows::FlowsArgs),
    Connectivity(connectivity::ConnectivityArgs),
    Policy(policy::PolicyArgs),
    Ui(ui::UiArgs),
    Debug(debug::DebugArgs),
    Cni(cni::CniArgs),
    Cleanup(cleanup::CleanupArgs),
}

/// The exit code of an error.
pub const ERROR: u8 = 2;

/// Parses the command line and does what it says.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let done = match cli.verb {
        Verb::Check(args) => check::run(&args, &mut std::io::stdout().lock())
            .map(ExitCode::from)
            .map_err(anyhow::Error::from),
        Verb::Trace(args) => trace::run(
            &args,
            &mut std::io::stdout().lock(),
            &mut std::io::stderr().lock(),
        )
        .map(ExitCode::from)
        .map_err(anyhow::Error::from),
        Verb::Run(args) => run::run(args),
        Verb::Status(args) => status::run(&args),
        Verb::Flows(args) => flows::run(args),
        Verb::Connectivity(args) => connectivity::run(args),
        Verb::Policy(args) => policy::run(
            &args,
            &mut std::io::stdout().lock(),
            &mut std::io::stderr().lock(),
        )
        .map(ExitCode::from)
        .map_err(anyhow::Error::from),
        Verb::Ui(args) => ui::run(args),
        Verb::Debug(args) => debug::run(&args),
        Verb::Cni(args) => cni::run(args, &mut std::io::stdout().lock()),
        Verb::Cleanup(args) => cleanup::run(args, &mut std::io::stdout().lock()),
    };
    done.unwrap_or_else(|error| {
        // Nobody is left to tell when stderr is gone.
        let _ = writeln!(std::io::stderr(), "enforcer: error: {}", words(&error));
        ExitCode::from(ERROR)
    })
}

/// What to look after when the kernel refuses something.
const PRIVILEGES: &str =
    "; are you root, with the capabilities SYS_ADMIN, NET_ADMIN and NET_BROADCAST?";

/// The error with those of its causes that it does not name itself.
fn words(error: &anyhow::Error) -> String {
    let mut words = error.to_string();
    for cause in error.chain().skip(1) {
        let cause = cause.to_string();
        if !words.contains(&cause) {
            words.push_str(": ");
            words.push_str(&cause);
        }
    }
    let refused = |cause: &(dyn std::error::Error + 'static)| {
        let io = cause.downcast_ref::<std::io::Error>();
        io.is_some_and(|io| io.kind() == std::io::ErrorKind::PermissionDenied)
    };
    if error.chain().any(refused) {
        words.push_str(PRIVILEGES);
        if let Some(bytes) = features::locked_memory() {
            words.push_str(&locked(bytes));
        }
    }
    words
}

/// What to look after besides where programs and maps count as locked memory.
fn locked(bytes: u64) -> String {
    format!(
        " And with SYS_RESOURCE (the chart's extraCapabilities)? This kernel counts programs and maps as \
         locked memory, as Linux before 5.11 does, of which {} KiB are allowed here",
        bytes / 1024
    )
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[derive(Debug, thiserror::Error)]
    enum Failure {
        #[error("no answer: {0}")]
        Telling(#[source] io::Error),
        #[error("no answer")]
        Silent(#[source] io::Error),
    }

    #[test]
    fn every_cause_is_told_once() {
        let cause = || io::Error::other("broken");
        for failure in [Failure::Telling(cause()), Failure::Silent(cause())] {
            assert_eq!(words(&failure.into()), "no answer: broken");
        }
    }

    #[test]
    fn who_lacks_permission_is_told_to_be_root() {
        let cause = io::Error::from(io::ErrorKind::PermissionDenied);
        let words = words(&Failure::Telling(cause).into());
        assert_eq!(words, format!("no answer: permission denied{PRIVILEGES}"));
    }
}
