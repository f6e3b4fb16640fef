//! `enforcer policy`: what can be done about policies themselves.

mod options;
mod report;

use std::fmt::Display;
use std::io::{self, Write};

use clap::Subcommand;
pub use options::{Form, SuggestArgs};

use super::ERROR;
use super::recorded::Flows;
use crate::source::manifests::{ManifestSource, Snapshot};
use crate::suggest::{Caveat, Suggestion, suggest, write_yaml};

/// Everything was said exactly.
const EXACT: u8 = 0;
/// Something could not be told.
const NOT_EXACT: u8 = 3;

/// Work on policies.
#[derive(Debug, clap::Args)]
pub struct PolicyArgs {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Suggest(SuggestArgs),
}

/// Does what is asked: policies to `out`, what is wrong or not exact to `err`. Answers the exit code.
///
/// # Errors
/// When `out` or `err` cannot be written to.
pub fn run(args: &PolicyArgs, out: &mut impl Write, err: &mut impl Write) -> io::Result<u8> {
    match &args.verb {
        Verb::Suggest(args) => run_suggest(args, out, err),
    }
}

/// Suggests policies: see [`run`].
///
/// # Errors
/// When `out` or `err` cannot be written to.
pub fn run_suggest(
    args: &SuggestArgs,
    out: &mut impl Write,
    err: &mut impl Write,
) -> io::Result<u8> {
    let snapshot = args
        .manifests
        .as_ref()
        .map(|path| ManifestSource::new(path).reload());
    let mut errors = 0;
    if let Some(snapshot) = &snapshot {
        match usable(snapshot, err)? {
            Some(count) => errors = count,
            None => return Ok(ERROR),
        }
    }
    let flows = Flows {
        path: args.flows.as_deref(),
        socket: &args.socket,
    };
    let log = match flows.read() {
        Ok(log) => log,
        Err(error) => return fail(err, &error),
    };
    let cluster = snapshot.as_ref().map(|snapshot| &snapshot.cluster);
    let mut suggestion = suggest(&log, cluster, &args.options());
    if errors > 0 {
        let plural = if errors == 1 { "" } else { "s" };
        let count = format!("{errors} error{plural}");
        suggestion.caveats.insert(Caveat::Errors(count));
    }
    match args.output {
        Form::Yaml => write_yaml(&suggestion, out)?,
        Form::Json => report::write(&suggestion, out)?,
    }
    tell(&suggestion, err)?;
    Ok(if suggestion.caveats.is_empty() {
        EXACT
    } else {
        NOT_EXACT
    })
}

/// Reports what is wrong with the manifests; `None` where there are none.
fn usable(snapshot: &Snapshot, err: &mut impl Write) -> io::Result<Option<usize>> {
    let errors = snapshot.problems.iter().filter(|one| one.is_error());
    let mut count = 0;
    for problem in errors {
        writeln!(err, "{problem}")?;
        count += 1;
    }
    if snapshot.files > 0 {
        return Ok(Some(count));
    }
    writeln!(err, "error: there are no manifests where --manifests says")?;
    Ok(None)
}

fn tell(suggestion: &Suggestion, err: &mut impl Write) -> io::Result<()> {
    for caveat in &suggestion.caveats {
        writeln!(err, "warning: not exact: {caveat}")?;
    }
    if suggestion.basis.connections == 0 {
        writeln!(
            err,
            "warning: the records have no connection that policies allowed"
        )?;
    }
    Ok(())
}

fn fail(err: &mut impl Write, error: &impl Display) -> io::Result<u8> {
    writeln!(err, "error: {error}")?;
    Ok(ERROR)
}
