//! `enforcer trace --replay`: recorded connections under other manifests.

use std::io::{self, Write};
use std::path::Path;

use super::Output;
use crate::recorded::{Log, ReadError, read_file};
use crate::trace::Tracer;
use crate::trace::replay::{Replay, replay, write_replay};

const SAME: u8 = 0;
const UNANSWERED: u8 = super::ERROR;
const DIFFERS: u8 = 3;

/// Reads the records before anything is judged.
pub(super) fn records(path: &Path) -> Result<Log, ReadError> {
    read_file(path)
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
    let replay = replay(tracer, log);
    match output {
        Output::Text => write_replay(&replay, out)?,
        Output::Json => {
            serde_json::to_writer_pretty(&mut *out, &replay)?;
            writeln!(out)?;
        }
    }
    tell(&replay, err)?;
    Ok(if !replay.differing.is_empty() {
        DIFFERS
    } else if replay.unanswered.is_empty() {
        SAME
    } else {
        UNANSWERED
    })
}

fn tell(replay: &Replay, err: &mut impl Write) -> io::Result<()> {
    let (gone, unanswered) = (replay.gone.len(), replay.unanswered.len());
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
