//! `enforcer trace --cut`: what a change would cut before it is made.

use std::io::{self, Write};
use std::path::PathBuf;

use super::trace::{ASKED, QUESTION};
use super::{ERROR, Output};
use crate::api::client::{self, ClientError};
use crate::api::{CutAnswer, DEFAULT_SOCKET};
use crate::trace::cut::{Change, ChangeError, Report, write_text};

const NONE: u8 = 0;
const SOME: u8 = 1;

/// What is changed.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "What a change would do")]
pub struct CutArgs {
    /// List the live connections of this node that a change would cut. The objects of these files
    /// and folders are the changed ones: they replace those of the same kind and name.
    #[arg(long, value_name = "PATH", num_args = 0.., conflicts_with_all = QUESTION)]
    pub cut: Option<Vec<PathBuf>>,
    /// An object that the change deletes, such as `NetworkPolicy default/db`; may be repeated. With --cut, or
    /// with --replay of what a daemon recorded.
    #[arg(long, requires = "change", conflicts_with_all = ASKED, num_args = 2, value_names = ["KIND", "NAME"])]
    pub delete: Vec<String>,
    /// The change is to these files and folders alone: every object that is not in them goes.
    #[arg(long, requires = "change", conflicts_with_all = ASKED)]
    pub prune: bool,
    /// The socket of the daemon that enforces on this node.
    #[arg(long, requires = "change", conflicts_with_all = ASKED, value_name = "PATH", default_value = DEFAULT_SOCKET)]
    pub socket: PathBuf,
}

impl CutArgs {
    /// A change with what else is to become of objects.
    pub(super) fn complete(&self, mut change: Change) -> Change {
        let deleted = self.delete.chunks_exact(2);
        change.delete = deleted
            .map(|pair| (pair[0].clone(), pair[1].clone()))
            .collect();
        change.prune = self.prune;
        change
    }
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
enum CutError {
    #[error(transparent)]
    Change(#[from] ChangeError),
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error("{0}")]
    Daemon(String),
}

/// Asks the daemon about the change in `paths`, writes its answer to `out`, errors to `err`, and
/// returns the exit code.
///
/// # Errors
/// When `out` or `err` cannot be written to.
pub fn run(
    args: &CutArgs,
    paths: &[PathBuf],
    output: Output,
    out: &mut impl Write,
    err: &mut impl Write,
) -> io::Result<u8> {
    match ask(args, paths) {
        Ok(report) => {
            write(&report, output, out)?;
            Ok(if report.cut.is_empty() { NONE } else { SOME })
        }
        Err(error) => {
            writeln!(err, "error: {error}")?;
            Ok(ERROR)
        }
    }
}

fn ask(args: &CutArgs, paths: &[PathBuf]) -> Result<Report, CutError> {
    let change = args.complete(Change::read(paths)?);
    match client::cut(&args.socket, change)? {
        CutAnswer::Report(report) => Ok(report),
        CutAnswer::Failed { error } => Err(CutError::Daemon(error)),
    }
}

fn write(report: &Report, output: Output, out: &mut impl Write) -> io::Result<()> {
    match output {
        Output::Text => write_text(report, out),
        Output::Json => {
            serde_json::to_writer_pretty(&mut *out, report)?;
            writeln!(out)
        }
    }
}
