//! `enforcer check`: what is wrong with manifests, without a cluster.

use std::io::{self, Write};
use std::path::PathBuf;

use serde::Serialize;

use super::Output;
use crate::lint::lint;
use crate::source::manifests::load::{Loaded, load};
use crate::source::problem::{Problem, Severity};

/// Check manifests without a cluster: what the API server would refuse, and what is legal but
/// probably not meant.
///
/// Reads YAML and JSON, several documents in a file, lists, and folders with all below them. Looks
/// at Node, Namespace, Pod, NetworkPolicy, Service and EndpointSlice objects. Lints that need pods,
/// namespaces or services are run only when some are given.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  enforcer check policies/
  enforcer check --deny-warnings policy.yaml pods.yaml
  enforcer check --output json policies/ | jq '.problems[] | select(.severity == \"error\")'

Exit codes:
  0  nothing wrong, or warnings only
  1  warnings only, under --deny-warnings
  2  errors")]
pub struct CheckArgs {
    /// Files and folders. What is given together is checked together.
    #[arg(required = true, value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// Exit with 1 when there are warnings.
    #[arg(long)]
    pub deny_warnings: bool,
    /// How to write what is found.
    #[arg(long, value_enum, default_value_t)]
    pub output: Output,
}

/// What was found, as JSON.
#[derive(Debug, Serialize)]
struct Report {
    problems: Vec<Problem>,
    errors: usize,
    warnings: usize,
    infos: usize,
    /// Files that were read.
    files: usize,
    /// Objects of the kinds that are checked.
    objects: usize,
    /// Objects of other kinds.
    ignored: usize,
}

/// Checks `args.paths`, writes what is found to `out` and returns the exit code.
///
/// # Errors
/// When `out` cannot be written to.
pub fn run(args: &CheckArgs, out: &mut impl Write) -> io::Result<u8> {
    let report = Report::new(&load(&args.paths), &args.paths);
    match args.output {
        Output::Text => report.write_text(out)?,
        Output::Json => {
            serde_json::to_writer_pretty(&mut *out, &report)?;
            writeln!(out)?;
        }
    }
    Ok(report.exit_code(args.deny_warnings))
}

impl Report {
    fn new(loaded: &Loaded, paths: &[PathBuf]) -> Self {
        let mut problems = lint(loaded);
        if loaded.files == 0 && loaded.unread.is_empty() {
            problems.extend(paths.first().map(|path| nothing_found(path)));
        }
        problems.extend(loaded.problems.iter().cloned());
        problems.sort();
        let count = |severity| {
            let all = problems.iter();
            all.filter(|problem| problem.severity == severity).count()
        };
        Self {
            errors: count(Severity::Error),
            warnings: count(Severity::Warning),
            infos: count(Severity::Info),
            files: loaded.files,
            objects: loaded.documents().count(),
            ignored: loaded.ignored,
            problems,
        }
    }

    fn write_text(&self, out: &mut impl Write) -> io::Result<()> {
        for problem in &self.problems {
            writeln!(out, "{problem}")?;
        }
        write!(
            out,
            "checked {} in {}: {}, {}",
            count(self.objects, "object"),
            count(self.files, "file"),
            count(self.errors, "error"),
            count(self.warnings, "warning"),
        )?;
        if self.ignored > 0 {
            write!(out, " ({} of other kinds not looked at)", self.ignored)?;
        }
        writeln!(out)
    }

    fn exit_code(&self, deny_warnings: bool) -> u8 {
        match (self.errors, self.warnings) {
            (1.., _) => 2,
            (0, 1..) if deny_warnings => 1,
            _ => 0,
        }
    }
}

fn nothing_found(path: &std::path::Path) -> Problem {
    let message = "no file here ends in .yaml, .yml or .json".to_owned();
    Problem {
        severity: Severity::Warning,
        ..Problem::of_file(path, "no-manifests", message)
    }
}

fn count(number: usize, what: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {what}{plural}")
}
