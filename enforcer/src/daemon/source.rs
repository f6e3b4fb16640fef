//! The two places that objects can come from, seen alike.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use enforcer_policy::model::{Change, Cluster};
use jiff::Timestamp;

use super::{DaemonError, Options, Origin};
use crate::source::kubernetes::{Ended, KubernetesSource, Patience, Told};
use crate::source::manifests::{ManifestSource, Watch};
use crate::source::problem::Problem;
use tokio::time::timeout_at;

/// Where objects come from.
pub(super) enum Source {
    /// Files.
    Manifests {
        source: ManifestSource,
        watch: Watch,
        problems: Vec<Problem>,
        /// When to look again though nothing else may happen.
        again: Option<Instant>,
    },
    /// A cluster.
    Kubernetes(KubernetesSource),
}

/// What is to be put into force.
#[derive(Debug, Default)]
pub(super) struct Taken {
    /// In which order does not matter.
    pub changes: Vec<Change>,
    /// When the oldest of them was learnt.
    pub oldest: Option<Instant>,
}

impl Source {
    pub(super) async fn start(options: &Options) -> Result<Self, DaemonError> {
        match &options.source {
            Origin::Manifests(path) if !path.exists() => {
                Err(DaemonError::NoManifests(path.clone()))
            }
            Origin::Manifests(path) => {
                let source = ManifestSource::new(path);
                Ok(Self::Manifests {
                    watch: source.watch()?,
                    source,
                    problems: Vec::new(),
                    again: None,
                })
            }
            Origin::Kubernetes(access) => {
                let node = options.node.clone().ok_or(DaemonError::NoNode)?;
                let source =
                    KubernetesSource::start(access.clone(), node, Patience::default()).await?;
                Ok(Self::Kubernetes(source))
            }
        }
    }

    /// Waits until there may be something to take. Can be dropped at any time.
    pub(super) async fn changed(&mut self) -> Result<(), Ended> {
        match self {
            Self::Manifests { watch, again, .. } => {
                match *again {
                    // It makes no difference which of them it was.
                    Some(again) => drop(timeout_at(again.into(), watch.changed()).await),
                    None => watch.changed().await,
                }
                Ok(())
            }
            Self::Kubernetes(source) => source.changed().await,
        }
    }

    /// What is to be put into force; `cluster` is what is.
    pub(super) fn take(&mut self, cluster: &Cluster) -> Taken {
        match self {
            Self::Manifests {
                source,
                problems,
                again,
                ..
            } => {
                let oldest = Some(Instant::now());
                let news = source.changes(cluster);
                (*problems, *again) = (news.problems, news.again);
                let changes = news.changes;
                Taken { changes, oldest }
            }
            Self::Kubernetes(source) => {
                let (changes, oldest) = source.take(cluster);
                Taken { changes, oldest }
            }
        }
    }

    /// The same where it can be told by looking: everything is read anew, and believed as it is.
    pub(super) fn take_all(&mut self, cluster: &Cluster) -> Option<Taken> {
        let Self::Manifests {
            source,
            problems,
            again,
            ..
        } = self
        else {
            return None;
        };
        let oldest = Some(Instant::now());
        let snapshot = source.reload();
        (*problems, *again) = (snapshot.problems, None);
        let changes = cluster.changes_to(&snapshot.cluster);
        Some(Taken { changes, oldest })
    }

    /// To put into force what was taken took this long: before more is taken, others have their turn.
    pub(super) fn rest(&mut self, effort: Duration) {
        match self {
            Self::Manifests { watch, .. } => watch.rest(effort),
            Self::Kubernetes(source) => source.rest(effort),
        }
    }

    /// What is wrong with objects now.
    pub(super) fn problems(&self) -> Vec<Problem> {
        match self {
            Self::Manifests { problems, .. } => problems.clone(),
            Self::Kubernetes(source) => source.problems().cloned().collect(),
        }
    }

    /// Whether looking again can tell what it has not told by itself yet.
    pub(super) const fn is_read_on_demand(&self) -> bool {
        matches!(self, Self::Manifests { .. })
    }

    /// Whether it has told everything at least once.
    pub(super) fn is_synced(&self) -> bool {
        match self {
            Self::Manifests { .. } => true,
            Self::Kubernetes(source) => source.is_synced(),
        }
    }

    /// What came of each kind, by its plural.
    pub(super) fn told(&self) -> BTreeMap<&'static str, Told> {
        match self {
            Self::Manifests { .. } => BTreeMap::new(),
            Self::Kubernetes(source) => source.told(),
        }
    }

    /// What keeps it from telling what is.
    pub(super) fn faults(&self) -> Vec<String> {
        match self {
            Self::Manifests { .. } => Vec::new(),
            Self::Kubernetes(source) => source.faults(),
        }
    }
    /// The kinds whose changes are not seen now, and since when.
    pub(super) fn behind(&self) -> Vec<(&'static str, Option<Timestamp>)> {
        match self {
            Self::Manifests { .. } => Vec::new(),
            Self::Kubernetes(source) => source.behind(),
        }
    }
}
