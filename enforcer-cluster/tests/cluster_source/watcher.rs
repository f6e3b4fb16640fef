//! What a daemon does with its source, without a kernel.

use std::path::Path;
use std::time::Duration;

use enforcer::kubernetes::client::Access;
use enforcer::source::kubernetes::{KubernetesSource, Patience};
use enforcer_policy::model::Cluster;
use tokio::time::{Instant, timeout, timeout_at};

/// Enough for whatever is to happen.
pub(crate) const LONG: Duration = Duration::from_secs(60);

/// How long nothing is to happen.
pub(crate) const SHORT: Duration = Duration::from_secs(2);

/// Less than in production, so that tests need not wait so long.
pub(crate) const PATIENCE: Patience = Patience {
    answer: Duration::from_secs(3),
    idle: Duration::from_secs(4),
};

/// A source, and what came from it.
pub(crate) struct Watcher {
    source: KubernetesSource,
    pub(crate) cluster: Cluster,
    /// How many objects went away.
    pub(crate) gone: usize,
}

impl Watcher {
    pub(crate) async fn start(kubeconfig: &Path) -> Self {
        Self::start_with(kubeconfig, PATIENCE).await
    }

    pub(crate) async fn start_with(kubeconfig: &Path, patience: Patience) -> Self {
        let access = Access::Kubeconfig(kubeconfig.to_owned());
        let source = KubernetesSource::start(access, "n1".to_owned(), patience);
        Self {
            source: source.await.unwrap(),
            cluster: Cluster::default(),
            gone: 0,
        }
    }

    fn take(&mut self) {
        let (changes, _) = self.source.take(&self.cluster);
        for change in changes {
            self.gone += usize::from(change.is_gone());
            self.cluster.apply(change);
        }
    }

    /// Goes on until something holds.
    pub(crate) async fn until(&mut self, what: &str, holds: impl Fn(&Self) -> bool) {
        let end = Instant::now() + LONG;
        while !holds(self) {
            let changed = timeout_at(end, self.source.changed()).await;
            assert!(
                changed.is_ok(),
                "still not: {what}; behind: {:?}",
                self.source.faults()
            );
            changed.unwrap().unwrap();
            self.take();
        }
    }

    /// Goes on for a while in which something holds all the time.
    pub(crate) async fn while_so(&mut self, what: &str, holds: impl Fn(&Self) -> bool) {
        let end = Instant::now() + SHORT;
        assert!(holds(self), "not: {what}");
        while let Ok(changed) = timeout_at(end, self.source.changed()).await {
            changed.unwrap();
            self.take();
            assert!(holds(self), "no longer: {what}");
        }
    }

    /// Goes on until everything has been listed.
    pub(crate) async fn sync(&mut self) {
        self.until("synced", Self::is_synced).await;
    }

    /// Goes on until all watches run.
    pub(crate) async fn recover(&mut self) {
        self.until("all watches run", |watcher| watcher.faults().is_empty())
            .await;
    }

    pub(crate) fn is_synced(&self) -> bool {
        self.source.is_synced()
    }

    pub(crate) fn faults(&self) -> Vec<String> {
        self.source.faults()
    }

    /// Whether a fault has all of these words.
    pub(crate) fn complains(&self, words: &[&str]) -> bool {
        let has = |fault: &String| words.iter().all(|word| fault.contains(word));
        self.faults().iter().any(has)
    }

    pub(crate) fn has_namespace(&self, name: &str) -> bool {
        self.cluster.namespaces.contains_key(name)
    }
}

/// Nothing comes for a while, whatever else happens: the source is not asked.
pub(crate) async fn pause(time: Duration) {
    // A timeout of what never ends is a sleep.
    let _ = timeout(time, std::future::pending::<()>()).await;
}
