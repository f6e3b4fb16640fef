//! `enforcer debug`: for those who work on enforcer itself.

use std::io::Write as _;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde::Serialize;

use super::Output;
use crate::datapath::attach::Program as Which;
use crate::datapath::load::{self, LoadOptions};

/// Look inside; for development.
#[derive(Debug, Args)]
pub(super) struct DebugArgs {
    #[command(subcommand)]
    what: What,
    /// How to print.
    #[arg(long, value_enum, default_value_t, global = true)]
    output: Output,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Load the programs without attaching them, and show their sizes. Needs root.
    Programs,
}

#[derive(Debug, Serialize)]
struct Program {
    name: &'static str,
    /// Instructions after the verifier's rewriting.
    instructions: Option<u32>,
    /// Instructions that the verifier looked at, over all paths.
    verified_instructions: Option<u32>,
}

pub(super) fn run(args: &DebugArgs) -> anyhow::Result<ExitCode> {
    let What::Programs = args.what;
    let mut ebpf = load::load(&LoadOptions::default())?;
    let mut programs = Vec::new();
    for which in Which::ALL {
        let info = load::program(&mut ebpf, which)?.info()?;
        programs.push(Program {
            name: which.name(),
            instructions: info.size_translated().map(|bytes| bytes / 8),
            verified_instructions: info.verified_instruction_count(),
        });
    }
    let mut out = std::io::stdout().lock();
    match args.output {
        Output::Json => writeln!(out, "{}", serde_json::to_string(&programs)?)?,
        Output::Text => {
            for program in programs {
                let shown = |number: Option<u32>| {
                    number.map_or("unknown".to_owned(), |number| number.to_string())
                };
                writeln!(
                    out,
                    "{}: {} instructions, {} verified",
                    program.name,
                    shown(program.instructions),
                    shown(program.verified_instructions)
                )?;
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}
