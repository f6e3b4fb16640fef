//! What has been told and is not in force yet, and what is known of each kind.
//!
//! No second store: what is in force is the compiler's cluster. A list is compared with it as it
//! comes, so that one that brings nothing new leaves nothing but names here.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Instant;

use enforcer_policy::model::{Change, Cluster};
use jiff::Timestamp;

use super::kinds::Resource;
use super::message::{Message, News};
use super::pending::Pending;
use crate::source::manifests::{Kind, ObjectKey};
use crate::source::problem::Problem;

/// What is known of a kind.
#[derive(Debug, Default)]
struct Progress {
    /// A whole list has come.
    listed: bool,
    /// The list that is coming.
    list: Option<List>,
    /// Since when, and why, nothing comes.
    behind: Option<(Timestamp, String)>,
}

/// A list that is coming.
#[derive(Debug, Default)]
struct List {
    seen: BTreeSet<ObjectKey>,
    /// What is not in force as it is in the list; and whether it is another of the same name.
    different: Vec<(Change, bool)>,
    /// The incarnations of the pods of this node.
    incarnations: Vec<(ObjectKey, String)>,
}

impl List {
    /// An object went away while the list was coming.
    fn forget(&mut self, key: &ObjectKey) {
        self.seen.remove(key);
        self.different
            .retain(|(change, _)| ObjectKey::of(change) != *key);
        self.incarnations.retain(|(pod, _)| pod != key);
    }
}

/// A kind that is not up to date.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Behind {
    /// The kind.
    pub kind: Kind,
    /// Whether it has never been listed.
    pub unlisted: bool,
    /// Since when it fails, and why, if it does.
    pub failure: Option<(Timestamp, String)>,
}

impl fmt::Display for Behind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = Resource::of(self.kind).plural;
        match (self.unlisted, &self.failure) {
            (true, None) => write!(f, "waiting for the API server: {kind} not listed yet"),
            (true, Some((since, why))) => write!(
                f,
                "waiting for the API server: {kind} not listed yet since {since:.0}: {why}"
            ),
            (false, None) => write!(f, "{kind} are up to date"),
            (false, Some((since, why))) => write!(
                f,
                "changes of {kind} are not seen since {since:.0}; what was in force then stays so: {why}"
            ),
        }
    }
}

/// Collects messages.
#[derive(Debug)]
pub(super) struct Ledger {
    node: String,
    kinds: BTreeMap<Kind, Progress>,
    /// Before the first sync: what has come of it. Then nothing.
    staged: Option<Cluster>,
    pending: Pending,
    /// When the oldest change that is pending arrived.
    oldest: Option<Instant>,
    /// The incarnations of the pods of this node.
    incarnations: BTreeMap<ObjectKey, String>,
    refused: BTreeMap<ObjectKey, Vec<Problem>>,
}

impl Ledger {
    pub(super) fn new(node: String) -> Self {
        let kinds = Kind::ALL.map(|kind| (kind, Progress::default()));
        Self {
            node,
            kinds: kinds.into(),
            staged: Some(Cluster::default()),
            pending: Pending::default(),
            oldest: None,
            incarnations: BTreeMap::new(),
            refused: BTreeMap::new(),
        }
    }

    /// Whether every kind has been listed whole at least once.
    pub(super) fn is_synced(&self) -> bool {
        self.staged.is_none()
    }

    /// The kinds that are not up to date.
    pub(super) fn behind(&self) -> Vec<Behind> {
        let behind = self
            .kinds
            .iter()
            .filter(|(_, progress)| !progress.listed || progress.behind.is_some());
        let behind = behind.map(|(kind, progress)| Behind {
            kind: *kind,
            unlisted: !progress.listed,
            failure: progress.behind.clone(),
        });
        behind.collect()
    }

    /// What cannot be taken now, by object.
    pub(super) fn problems(&self) -> impl Iterator<Item = &Problem> {
        self.refused.values().flatten()
    }

    /// Takes a message in; `cluster` is what is in force.
    pub(super) fn take_in(&mut self, message: Message, cluster: &Cluster) {
        let Message { at, kind, news } = message;
        match news {
            News::ListBegins => self.progress(kind).list = Some(List::default()),
            News::Put { change, uid } => self.put(at, change, uid, cluster),
            News::Refused(key, problems) => {
                if let Some(list) = &mut self.progress(kind).list {
                    list.seen.insert(key.clone());
                }
                self.refused.insert(key, problems);
            }
            News::Gone(key) => {
                self.refused.remove(&key);
                match &mut self.progress(kind).list {
                    Some(list) => list.forget(&key),
                    None => self.remove(at, key),
                }
            }
            News::ListEnds => self.list_ends(at, kind, cluster),
            News::Following => self.progress(kind).behind = None,
            News::Failed(why) => {
                let progress = self.progress(kind);
                // Void; the next attempt lists anew.
                progress.list = None;
                let since = progress.behind.take();
                let since = since.map_or_else(Timestamp::now, |(since, _)| since);
                progress.behind = Some((since, why));
            }
        }
    }

    fn progress(&mut self, kind: Kind) -> &mut Progress {
        self.kinds.entry(kind).or_default()
    }

    fn put(&mut self, at: Instant, change: Change, uid: String, cluster: &Cluster) {
        let key = ObjectKey::of(&change);
        self.refused.remove(&key);
        let local = matches!(&change, Change::Pod(_, Some(pod)) if pod.node.as_deref() == Some(self.node.as_str()));
        let before = self.incarnations.get(&key).filter(|_| local);
        // Another pod of the same name, whose predecessor's end has not been told.
        let reborn = before.is_some_and(|before| *before != uid);
        let in_force = self.staged.as_ref().unwrap_or(cluster);
        let different = reborn || self.pending.differs(&key, &change, in_force);
        let progress = self.kinds.entry(key.kind).or_default();
        let Some(list) = &mut progress.list else {
            if local {
                self.incarnations.insert(key.clone(), uid);
            }
            if different {
                self.pend(at, key, change, reborn);
            }
            return;
        };
        list.seen.insert(key.clone());
        if different {
            list.different.push((change, reborn));
        }
        if local {
            list.incarnations.push((key, uid));
        }
    }

    fn pend(&mut self, at: Instant, key: ObjectKey, change: Change, reborn: bool) {
        self.oldest = Some(self.oldest.map_or(at, |oldest| oldest.min(at)));
        self.pending.put(key, change, reborn);
    }

    fn remove(&mut self, at: Instant, key: ObjectKey) {
        self.incarnations.remove(&key);
        let gone = key.gone();
        self.pend(at, key, gone, false);
    }

    fn list_ends(&mut self, at: Instant, kind: Kind, cluster: &Cluster) {
        let progress = self.progress(kind);
        let Some(list) = progress.list.take() else {
            return;
        };
        progress.listed = true;
        let in_force = self.staged.as_ref().unwrap_or(cluster);
        for key in self.pending.keys(kind, in_force) {
            if !list.seen.contains(&key) {
                self.remove(at, key);
            }
        }
        self.refused
            .retain(|key, _| key.kind != kind || list.seen.contains(key));
        self.incarnations.extend(list.incarnations);
        for (change, reborn) in list.different {
            self.pend(at, ObjectKey::of(&change), change, reborn);
        }
    }

    /// What is to be put into force now, and when the oldest of it arrived. Until all kinds have been
    /// listed: nothing.
    pub(super) fn take_out(&mut self) -> (Vec<Change>, Option<Instant>) {
        let changes = self.pending.take();
        let oldest = self.oldest.take();
        let Some(mut staged) = self.staged.take() else {
            return (changes, oldest);
        };
        for change in changes {
            staged.apply(change);
        }
        if self.kinds.values().all(|progress| progress.listed) {
            // How long that took says how far away the server was.
            return (everything(staged), None);
        }
        self.staged = Some(staged);
        (Vec::new(), None)
    }
}

/// The changes that lead from nothing to `cluster`.
fn everything(cluster: Cluster) -> Vec<Change> {
    let mut changes = Vec::new();
    let policies = cluster.policies.into_iter();
    changes.extend(policies.map(|(key, value)| Change::Policy(key, Some(value))));
    let nodes = cluster.nodes.into_iter();
    changes.extend(nodes.map(|(key, value)| Change::Node(key, Some(value))));
    let namespaces = cluster.namespaces.into_iter();
    changes.extend(namespaces.map(|(key, value)| Change::Namespace(key, Some(value))));
    let pods = cluster.pods.into_iter();
    changes.extend(pods.map(|(key, value)| Change::Pod(key, Some(value))));
    let services = cluster.services.into_iter();
    changes.extend(services.map(|(key, value)| Change::Service(key, Some(value))));
    let slices = cluster.slices.into_iter();
    changes.extend(slices.map(|(key, value)| Change::EndpointSlice(key, Some(value))));
    changes
}

#[cfg(test)]
mod tests;
