//! The daemon that a bench runs.

use std::env;
use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};

/// The program to measure.
#[derive(clap::Args, Clone, Debug, Default)]
pub struct Program {
    /// The program to measure; what was built beside this one if left out.
    #[arg(long, value_name = "PATH")]
    program: Option<PathBuf>,
}

impl Program {
    /// Its path. Fails where there is none.
    pub(crate) fn path(&self) -> Result<PathBuf> {
        let program = self.program.clone().map_or_else(beside, Ok)?;
        ensure!(
            program.is_file(),
            "{} is not there: build it by `cargo build --release --package enforcer`, or measure by `cargo xtask bench`",
            program.display()
        );
        Ok(program)
    }
}

/// The binary beside this one.
fn beside() -> Result<PathBuf> {
    let own = env::current_exe().context("finding the own program")?;
    Ok(own.with_file_name("enforcer"))
}
