//! What a kubelet's thread tells everybody else.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{ByUid, RunningPod};

/// The pods that run, and what went wrong.
#[derive(Debug, Default)]
pub(super) struct Table(Mutex<Content>);

#[derive(Debug, Default)]
struct Content {
    pods: ByUid<Arc<RunningPod>>,
    problems: BTreeSet<String>,
    /// What the API server last refused, or why it was not reached.
    refused: Option<String>,
}

impl Table {
    pub(super) fn put(&self, uid: &str, pod: Arc<RunningPod>) {
        self.lock().pods.insert(uid.to_owned(), pod);
    }

    pub(super) fn remove(&self, uid: &str) {
        self.lock().pods.remove(uid);
    }

    /// Of several pods of one name the one that is not leaving.
    pub(super) fn get(&self, namespace: &str, name: &str) -> Option<Arc<RunningPod>> {
        let content = self.lock();
        let mut named = content.pods.values();
        let found = named.find(|pod| pod.namespace == namespace && pod.name == name);
        found.cloned()
    }

    pub(super) fn problem(&self, problem: String) {
        self.lock().problems.insert(problem);
    }

    pub(super) fn refused(&self, why: &impl ToString) {
        self.lock().refused = Some(why.to_string());
    }

    pub(super) fn problems(&self) -> Vec<String> {
        self.lock().problems.iter().cloned().collect()
    }

    /// Problems, and what the API server last said.
    pub(super) fn complaints(&self) -> String {
        let content = self.lock();
        let all = content.problems.iter().chain(&content.refused);
        let all: Vec<&str> = all.map(String::as_str).collect();
        all.join("; ")
    }

    fn lock(&self) -> MutexGuard<'_, Content> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
