//! Where recorded flows come from.

use std::path::Path;

use enforcer_flows::Query;

use crate::api::client::{self, ClientError};
use crate::api::flows::Line;
use crate::recorded::{Log, ReadError, read_file};

/// Under what name a daemon's status counts new flows that were not reported.
const SUPPRESSED: &str = "allowed";

/// A file, or a daemon.
pub(super) struct Flows<'a> {
    /// The file; `-` is standard input.
    pub(super) path: Option<&'a Path>,
    /// Whom to ask without one.
    pub(super) socket: &'a Path,
}

/// Why there are no records.
#[derive(Debug, thiserror::Error)]
pub(super) enum FlowsError {
    /// The file.
    #[error(transparent)]
    File(#[from] ReadError),
    /// The daemon.
    #[error("{0}; or name a file of `enforcer flows --output json`")]
    Daemon(#[from] ClientError),
    /// The daemon has no answer.
    #[error("the daemon has no records: {0}")]
    Refused(String),
}

impl Flows<'_> {
    /// Reads all of them.
    pub(super) fn read(&self) -> Result<Log, FlowsError> {
        match self.path {
            Some(path) => Ok(read_file(path)?),
            None => self.ask(),
        }
    }

    fn ask(&self) -> Result<Log, FlowsError> {
        let mut log = Log::default();
        for line in client::flows(self.socket, Query::default())? {
            match line? {
                Line::Record(record) => log.take(&record),
                Line::Missed { missed, .. } => log.missed += missed,
                Line::Failed { error } => return Err(FlowsError::Refused(error)),
            }
        }
        let status = client::status(self.socket, false)?;
        let suppressed = status.events_suppressed.get(SUPPRESSED);
        log.suppressed = suppressed.copied().unwrap_or_default();
        Ok(log)
    }
}
