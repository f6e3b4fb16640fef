//! `enforcer trace --replay`: recorded connections under other policies.

use std::io::{self, Write};
use std::path::Path;

use enforcer_flows::Query;
use enforcer_flows::query::{NotAMoment, moment};
use enforcer_policy::model::Cluster;
use jiff::Timestamp;

use super::cut::CutArgs;
use super::recorded::{FlowsError, of_cluster, of_file};
use super::{Output, trace::TraceArgs};
use crate::api::client::{self, ClientError};
use crate::api::recorded::ReplayRequest;
use crate::recorded::Log;
use crate::trace::Tracer;
use crate::trace::cut::{Change, ChangeError};
use crate::trace::replay::{Written, replay};

const SAME: u8 = 0;
const UNANSWERED: u8 = super::ERROR;
const DIFFERS: u8 = 3;

/// Why nothing was judged.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReplayError {
    #[error("--since: {0}")]
    Since(#[from] NotAMoment),
    #[error(transparent)]
    Flows(#[from] FlowsError),
    #[error("{0}; or name a file of `enforcer flows --output json`")]
    Daemon(#[from] ClientError),
    #[error(transparent)]
    Change(#[from] ChangeError),
    #[error("--kernel asks about a file of records; name one")]
    Kernel,
    #[error("the answer cannot be written: {0}")]
    Json(#[from] serde_json::Error),
}

/// Reads the records before anything is judged.
pub(super) fn records(path: &Path) -> Result<Log, FlowsError> {
    of_file(path, &Query::default())
}

/// Judges what daemons recorded under a change of what is in force.
pub(super) fn of_daemons(args: &TraceArgs) -> Result<Written, ReplayError> {
    if args.kernel {
        return Err(ReplayError::Kernel);
    }
    let since = args.since.as_deref();
    let since = since.map(|text| moment(text, Timestamp::now()));
    let query = Query {
        since: since.transpose()?,
        ..Query::default()
    };
    let change = change(args.manifests.as_deref(), &args.change)?;
    if !args.cluster.cluster {
        let request = ReplayRequest { query, change };
        return Ok(client::replay(&args.change.socket, request)?);
    }
    let world = of_cluster(&args.cluster, query, true)?;
    let now = world.cluster.unwrap_or_default();
    judged(&world.log, &now, change)
}

fn judged(log: &Log, now: &Cluster, change: Change) -> Result<Written, ReplayError> {
    let then = change.apply_or_keep(now)?;
    Ok(Written::of(&replay(&mut Tracer::on_host(&then), log))?)
}

/// The change that is asked about.
fn change(manifests: Option<&Path>, args: &CutArgs) -> Result<Change, ChangeError> {
    let paths: Vec<_> = manifests.map(Path::to_owned).into_iter().collect();
    let change = Change::read(&paths)?;
    Ok(args.complete(change))
}

/// Judges the connections of `log`, writes what differs to `out` and returns the exit code.
///
/// # Errors
/// When `out` or `err` cannot be written to.
pub(super) fn run(
    tracer: &mut Tracer,
    log: &Log,
    output: Output,
    out: &mut impl Write,
    err: &mut impl Write,
) -> io::Result<u8> {
    let written = Written::of(&replay(tracer, log))?;
    write(&written, output, out, err)
}

/// Writes what differs to `out` and returns the exit code.
///
/// # Errors
/// When `out` or `err` cannot be written to.
pub(super) fn write(
    written: &Written,
    output: Output,
    out: &mut impl Write,
    err: &mut impl Write,
) -> io::Result<u8> {
    match output {
        Output::Text => out.write_all(written.text.as_bytes())?,
        Output::Json => writeln!(out, "{}", written.json)?,
    }
    tell(written, err)?;
    Ok(if written.differing > 0 {
        DIFFERS
    } else if written.unanswered == 0 {
        SAME
    } else {
        UNANSWERED
    })
}

fn tell(written: &Written, err: &mut impl Write) -> io::Result<()> {
    let (gone, unanswered) = (written.gone, written.unanswered);
    if gone > 0 {
        writeln!(
            err,
            "warning: of {gone} recorded connections an end is no longer there"
        )?;
    }
    if unanswered > 0 {
        writeln!(
            err,
            "error: no answer about {unanswered} recorded connections"
        )?;
    }
    Ok(())
}
