//! Answers from manifests instead of from the daemon's cluster.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use enforcer_policy::model::Cluster;
use jiff::Timestamp;

use crate::api::{OverviewAnswer, TraceAnswer};
use crate::overview::Overview;
use crate::source::manifests::ManifestSource;
use crate::trace::Question;

/// Manifests, read anew for each question.
pub(super) struct Manifests(Mutex<State>);

struct State {
    source: ManifestSource,
    cluster: Cluster,
    revision: u64,
}

impl Manifests {
    pub(super) fn new(path: PathBuf) -> Self {
        let begin = Timestamp::now().as_microsecond();
        Self(Mutex::new(State {
            source: ManifestSource::new(path),
            cluster: Cluster::default(),
            revision: u64::try_from(begin).unwrap_or_default(),
        }))
    }

    pub(super) fn overview(&self, known: Option<u64>) -> OverviewAnswer {
        self.with(|cluster, revision| {
            if known == Some(revision) {
                OverviewAnswer::Same { same: revision }
            } else {
                OverviewAnswer::Overview(Overview::of(cluster, revision))
            }
        })
    }

    pub(super) fn trace(&self, question: &Question) -> TraceAnswer {
        self.with(|cluster, _| TraceAnswer::of(cluster, question))
    }

    fn with<T>(&self, answer: impl FnOnce(&Cluster, u64) -> T) -> T {
        // Who panicked left at worst an old cluster.
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = state.source.reload().cluster;
        if now != state.cluster {
            state.cluster = now;
            state.revision += 1;
        }
        answer(&state.cluster, state.revision)
    }
}
