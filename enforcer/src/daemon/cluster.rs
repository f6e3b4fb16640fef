//! Answers about the cluster that nothing of the kernel is asked for: on threads of their own.

use jiff::Timestamp;
use tokio::sync::oneshot;

use super::Daemon;
use crate::api::{OverviewAnswer, TraceAnswer};
use crate::overview::Overview;
use crate::trace::Question;

impl Daemon {
    pub(super) fn answer_overview(
        &self,
        known: Option<u64>,
        answer: oneshot::Sender<OverviewAnswer>,
    ) {
        let revision = self.revision;
        if known == Some(revision) {
            return drop(answer.send(OverviewAnswer::Same { same: revision }));
        }
        let cluster = self.compiler.cluster().clone();
        tokio::task::spawn_blocking(move || {
            let overview = Overview::of(&cluster, revision);
            // A client that went away needs no answer.
            let _ = answer.send(OverviewAnswer::Overview(overview));
        });
    }

    pub(super) fn answer_trace(&self, question: Question, answer: oneshot::Sender<TraceAnswer>) {
        if !self.source.is_synced() {
            let error = format!("not ready: {}", self.source.faults().join("; "));
            return drop(answer.send(TraceAnswer::Failed { error }));
        }
        let cluster = self.compiler.cluster().clone();
        tokio::task::spawn_blocking(move || {
            let _ = answer.send(TraceAnswer::of(&cluster, &question));
        });
    }
}

/// Before any change.
pub(super) fn first_revision() -> u64 {
    u64::try_from(Timestamp::now().as_microsecond()).unwrap_or_default()
}
