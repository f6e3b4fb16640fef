//! Answers about changes that are only proposed.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use enforcer_policy::model::{Cluster, PodKey};
use tokio::sync::oneshot;

use super::{Daemon, capacity};
use crate::api::CutAnswer;
use crate::datapath::clock::ClockError;
use crate::datapath::conntrack::Part;
use crate::datapath::conntrack::dump::{self, Extent};
use crate::datapath::discover::Links;
use crate::datapath::flows::{self, FlowsError};
use crate::datapath::judge::JudgeError;
use crate::trace::cut::{Change, ChangeError, Node, Report, Traffic, cut};

/// How long the kernel's table of connections is read.
const LIMIT: Duration = Duration::from_secs(10);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
enum CutError {
    #[error(transparent)]
    Change(#[from] ChangeError),
    #[error(transparent)]
    Flows(#[from] FlowsError),
    #[error(transparent)]
    Judge(#[from] JudgeError),
    #[error(transparent)]
    Clock(#[from] ClockError),
}

/// What the answer rests on, as it was when the question came.
struct Basis {
    node: Node,
    /// The time as flows are dated.
    time: Result<u32, ClockError>,
    now: Cluster,
    owners: BTreeMap<u32, PodKey>,
    pins: PathBuf,
    audit: bool,
}

impl Daemon {
    /// Answers from another thread: reading the flows and compiling take their time.
    pub(super) fn answer_cut(&mut self, change: Change, answer: oneshot::Sender<CutAnswer>) {
        if !self.source.is_synced() {
            let error = format!("not ready: {}", self.source.faults().join("; "));
            return drop(answer.send(CutAnswer::Failed { error }));
        }
        let basis = Basis {
            node: Node {
                name: self.options.node.clone(),
                capacity: capacity(&self.options.datapath),
                local_addresses: self.local_addresses.clone(),
                links: Links {
                    namespaces: self.matcher.links().namespaces.clone(),
                    ..Links::default()
                },
                pending_deny: self.options.datapath.pending_deny,
            },
            time: self.writer.now(),
            now: self.compiler.cluster().clone(),
            owners: self.writer.owners_of_flows(),
            pins: self.writer.pins().to_owned(),
            audit: self.options.datapath.audit,
        };
        tokio::task::spawn_blocking(move || {
            let answered = basis.report(change).map_or_else(
                |error| CutAnswer::Failed {
                    error: error.to_string(),
                },
                CutAnswer::Report,
            );
            // A client that went away needs no answer.
            let _ = answer.send(answered);
        });
    }
}

impl Basis {
    fn report(self, change: Change) -> Result<Report, CutError> {
        let then = change.apply(&self.now)?;
        let mut traffic = Traffic {
            flows: flows::read(&self.pins, self.time?)?,
            owners: self.owners,
            entries: Vec::new(),
        };
        let mut part = false;
        let until = Instant::now() + LIMIT;
        match dump::entries(Part::Whole, until, |entry| traffic.entries.push(entry)) {
            Ok(extent) => part = extent == Extent::Part,
            Err(error) => tracing::debug!(%error, "no table of connections"),
        }
        let mut report = cut(&self.node, &self.now, &then, &traffic)?;
        if part {
            let words = "the kernel's table of connections is too large to be read whole: some of \
                pods that no policy isolates yet may be missing";
            report.notes.push(words.to_owned());
        }
        if then == self.now {
            let words = "these objects are in force already, as they are here";
            report.notes.push(words.to_owned());
        }
        if self.audit {
            let words = "the daemon is in audit mode: what it denies passes";
            report.notes.push(words.to_owned());
        }
        Ok(report)
    }
}
