//! Asking the daemon about its own flow records and its own view of the cluster, over the socket.

use enforcer_flows::Query;
use enforcer_policy::model::Cluster;
use serde::{Deserialize, Serialize};

use crate::recorded::Log;
use crate::suggest::{self, Options, suggest};
use crate::trace::Tracer;
use crate::trace::cut::{Change, ChangeError};
use crate::trace::replay::{self, replay};

/// Which policies to suggest, from which records.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SuggestRequest {
    /// The records.
    #[serde(default)]
    pub query: Query,
    /// The policies.
    #[serde(default)]
    pub options: Options,
}

/// Which records to judge, and under which change of the objects in force; under none where it says nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReplayRequest {
    /// The records.
    #[serde(default)]
    pub query: Query,
    /// The change.
    #[serde(default)]
    pub change: Change,
}

/// An answer, or why there is none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum RecordedAnswer<T> {
    /// The answer.
    Written(T),
    /// Nobody can say.
    Failed {
        /// Why.
        error: String,
    },
}

/// The answer to `suggest`.
pub type SuggestAnswer = RecordedAnswer<suggest::Written>;
/// The answer to `replay`.
pub type ReplayAnswer = RecordedAnswer<replay::Written>;

/// Why nothing can be said.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Change(#[from] ChangeError),
    #[error("the answer cannot be written: {0}")]
    Json(#[from] serde_json::Error),
}

impl<T> RecordedAnswer<T> {
    fn of(found: Result<T, Failure>) -> Self {
        found.map_or_else(
            |error| Self::Failed {
                error: error.to_string(),
            },
            Self::Written,
        )
    }
}

impl SuggestAnswer {
    /// Suggests policies for a cluster.
    pub fn suggest(log: &Log, cluster: &Cluster, options: &Options) -> Self {
        let suggestion = suggest(log, Some(cluster), options);
        Self::of(suggest::Written::of(&suggestion).map_err(Failure::from))
    }
}

impl ReplayAnswer {
    /// Judges records under a change of a cluster.
    pub fn replay(log: &Log, cluster: &Cluster, change: Change) -> Self {
        Self::of(written(log, cluster, change))
    }
}

fn written(log: &Log, cluster: &Cluster, change: Change) -> Result<replay::Written, Failure> {
    let then = change.apply_or_keep(cluster)?;
    let replay = replay(&mut Tracer::on_host(&then), log);
    Ok(replay::Written::of(&replay)?)
}
