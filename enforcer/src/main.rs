//! The command line.

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser;
use enforcer::cli::check::{self, CheckArgs};

#[derive(Parser)]
enum Cli {
    Check(CheckArgs),
}

fn main() -> ExitCode {
    let Cli::Check(args) = Cli::parse();
    let mut out = std::io::stdout().lock();
    let code = check::run(&args, &mut out).unwrap_or(2);
    let _ = out.flush();
    ExitCode::from(code)
}
