//! What every bench takes.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::report::Report;

/// The arguments of every bench.
#[derive(clap::Args, Clone, Debug)]
pub struct Options {
    /// Only prove that everything runs: small sizes, few rounds, and figures worth nothing.
    #[arg(long)]
    pub quick: bool,
    /// Where to write the report as JSON; `-` for the standard output.
    #[arg(long, value_name = "PATH")]
    pub json: Option<PathBuf>,
}

impl Options {
    /// Writes the report where it was asked for, and as tables to the standard output unless the
    /// JSON goes there.
    pub fn finish(&self, report: &Report) -> Result<()> {
        let mut out = std::io::stdout().lock();
        let json = serde_json::to_string_pretty(report).context("the report as JSON")?;
        match self.json.as_deref() {
            Some(path) if path == Path::new("-") => writeln!(out, "{json}")?,
            path => {
                if let Some(path) = path {
                    write(path, &json)?;
                }
                writeln!(out, "{}", report.markdown())?;
            }
        }
        Ok(())
    }
}

fn write(path: &Path, json: &str) -> Result<()> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).with_context(|| format!("making {}", parent.display()))?;
    }
    fs::write(path, format!("{json}\n")).with_context(|| format!("writing {}", path.display()))
}
