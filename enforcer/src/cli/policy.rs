//! `enforcer policy`: what can be done about policies themselves.

mod options;

use std::io::{self, Write};
use std::path::Path;

use clap::Subcommand;
use enforcer_flows::query::NotAMoment;
use enforcer_policy::model::Cluster;
pub use options::{Form, SuggestArgs};

use super::ERROR;
use super::recorded::{FlowsError, of_cluster, of_daemon, of_file, tell};
use crate::api::client::{self, ClientError};
use crate::api::recorded::SuggestRequest;
use crate::recorded::Log;
use crate::source::manifests::ManifestSource;
use crate::suggest::{Caveat, Written, suggest};

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

/// Why there is no suggestion.
#[derive(Debug, thiserror::Error)]
enum SuggestError {
    #[error("--since: {0}")]
    Since(#[from] NotAMoment),
    #[error(transparent)]
    Flows(#[from] FlowsError),
    #[error("{0}; or name a file of `enforcer flows --output json`")]
    Daemon(#[from] ClientError),
    #[error("there are no manifests where --manifests says")]
    NoManifests,
    #[error("the suggestion cannot be written: {0}")]
    Json(#[from] serde_json::Error),
    #[error(transparent)]
    Said(#[from] io::Error),
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
    let written = match written(args, err) {
        Ok(written) => written,
        Err(SuggestError::Said(error)) => return Err(error),
        Err(error) => {
            writeln!(err, "error: {error}")?;
            return Ok(ERROR);
        }
    };
    match args.output {
        Form::Yaml => out.write_all(written.yaml.as_bytes())?,
        Form::Json => writeln!(out, "{}", written.json)?,
    }
    for warning in &written.warnings {
        writeln!(err, "warning: {warning}")?;
    }
    Ok(if written.exact { EXACT } else { NOT_EXACT })
}

/// Who thinks: the daemon where it alone is asked, else this process.
fn written(args: &SuggestArgs, err: &mut impl Write) -> Result<Written, SuggestError> {
    let query = args.query()?;
    let mut manifests = args
        .manifests
        .as_deref()
        .map(|path| Manifests::read(path, err));
    let mut manifests = manifests.take().transpose()?;
    let log = match &args.flows {
        Some(path) => of_file(path, &query)?,
        None if args.cluster.cluster => {
            let world = of_cluster(&args.cluster, query, manifests.is_none())?;
            if let Some(cluster) = world.cluster {
                let errors = tell(&world.problems, err)?;
                manifests = Some(Manifests { cluster, errors });
            }
            world.log
        }
        None if manifests.is_some() => of_daemon(&args.socket, query)?,
        None => {
            let options = args.options();
            let request = SuggestRequest { query, options };
            return Ok(client::suggest(&args.socket, request)?);
        }
    };
    here(args, &log, manifests.as_ref())
}

fn here(
    args: &SuggestArgs,
    log: &Log,
    manifests: Option<&Manifests>,
) -> Result<Written, SuggestError> {
    let cluster = manifests.map(|one| &one.cluster);
    let mut suggestion = suggest(log, cluster, &args.options());
    let errors = manifests.map_or(0, |one| one.errors);
    if errors > 0 {
        let plural = if errors == 1 { "" } else { "s" };
        let count = format!("{errors} error{plural}");
        suggestion.caveats.insert(Caveat::Errors(count));
    }
    Ok(Written::of(&suggestion)?)
}

/// What a cluster is said to be.
struct Manifests {
    cluster: Cluster,
    /// How many objects are left out for errors.
    errors: usize,
}

impl Manifests {
    fn read(path: &Path, err: &mut impl Write) -> Result<Self, SuggestError> {
        let snapshot = ManifestSource::new(path).reload();
        let errors = tell(&snapshot.problems, err)?;
        if snapshot.files == 0 {
            return Err(SuggestError::NoManifests);
        }
        Ok(Self {
            cluster: snapshot.cluster,
            errors,
        })
    }
}
