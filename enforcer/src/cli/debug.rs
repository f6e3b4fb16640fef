//! `enforcer debug`: for those who work on enforcer itself.

use std::fmt;
use std::io::Write as _;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde::Serialize;

use super::Output;
use crate::datapath::attach::{Hook, Place};
use crate::datapath::load;
use crate::datapath::verified::{self, Size};
use crate::datapath::{clock, features};

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
    /// Whether this kernel has what is needed, and which hook programs are attached to. Needs root.
    Kernel,
}

#[derive(Debug, Serialize)]
struct Program {
    name: &'static str,
    /// Instructions after the verifier's rewriting.
    instructions: Option<u32>,
    /// Instructions that the verifier looked at, over all paths.
    verified_instructions: Option<u32>,
}

impl From<Size> for Program {
    fn from(size: Size) -> Self {
        Self {
            name: size.program.name(),
            instructions: size.instructions,
            verified_instructions: size.verified,
        }
    }
}

#[derive(Debug, Serialize)]
struct Kernel {
    /// What the kernel calls itself.
    release: String,
    /// `tcx` or `clsact`.
    hook: &'static str,
}

pub(super) fn run(args: &DebugArgs) -> anyhow::Result<ExitCode> {
    let mut out = std::io::stdout().lock();
    match args.what {
        What::Programs => {
            let programs: Vec<_> = verified::sizes()?.into_iter().map(Program::from).collect();
            match args.output {
                Output::Json => writeln!(out, "{}", serde_json::to_string(&programs)?)?,
                Output::Text => {
                    for program in programs {
                        writeln!(out, "{program}")?;
                    }
                }
            }
        }
        What::Kernel => {
            let kernel = kernel()?;
            match args.output {
                Output::Json => writeln!(out, "{}", serde_json::to_string(&kernel)?)?,
                Output::Text => {
                    writeln!(
                        out,
                        "Linux {} will do; hook: {}",
                        kernel.release, kernel.hook
                    )?;
                }
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn kernel() -> anyhow::Result<Kernel> {
    let mut clock = load::maps_only()?;
    clock::load(&mut clock)?;
    let place = features::require_hook(Hook::Auto, clock::program(&mut clock)?)?;
    Ok(Kernel {
        release: features::release(),
        hook: match place {
            Place::Tcx => "tcx",
            Place::Clsact => "clsact",
        },
    })
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown =
            |number: Option<u32>| number.map_or("unknown".to_owned(), |number| number.to_string());
        write!(
            f,
            "{}: {} instructions, {} verified",
            self.name,
            shown(self.instructions),
            shown(self.verified_instructions)
        )
    }
}
