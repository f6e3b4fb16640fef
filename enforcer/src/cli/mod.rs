//! The command line, one file for each verb.

mod debug;
mod flows;
mod run;
mod status;

use std::io::Write as _;
use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};

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
    Run(run::RunArgs),
    Status(status::StatusArgs),
    Flows(flows::FlowsArgs),
    Debug(debug::DebugArgs),
}

/// How to print.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people.
    #[default]
    Text,
    /// For machines.
    Json,
}

/// The exit code of an error.
pub const ERROR: u8 = 2;

/// Parses the command line and does what it says.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let done = match cli.verb {
        Verb::Run(args) => run::run(args),
        Verb::Status(args) => status::run(&args),
        Verb::Flows(args) => flows::run(&args),
        Verb::Debug(args) => debug::run(&args),
    };
    done.unwrap_or_else(|error| {
        // Nobody is left to tell when stderr is gone.
        let _ = writeln!(std::io::stderr(), "enforcer: error: {error:#}");
        ExitCode::from(ERROR)
    })
}
