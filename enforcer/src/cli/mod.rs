//! The command line, one file for each verb.

pub mod check;
mod debug;
mod flows;
mod output;
mod run;
mod status;
pub mod trace;

use std::io::Write as _;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

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
    Debug(debug::DebugArgs),
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
        Verb::Flows(args) => flows::run(&args),
        Verb::Debug(args) => debug::run(&args),
    };
    done.unwrap_or_else(|error| {
        // Nobody is left to tell when stderr is gone.
        let _ = writeln!(std::io::stderr(), "enforcer: error: {}", told(&error));
        ExitCode::from(ERROR)
    })
}

/// An error with its causes, without those that its message already tells.
fn told(error: &anyhow::Error) -> String {
    let mut text = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}
