//! What changed since the last look, in proportion to what it was.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use enforcer_policy::model::{Change, Cluster};

use super::cache::{Reading, Replaced};
use super::object::ObjectKey;
use super::read::Document;
use super::source::{Kept, ManifestSource};
use crate::source::problem::Problem;

/// An object that is in no file any more may be on its way to another: editors put files aside before
/// they write them anew. So that is believed when it was so for this long …
const DOUBT: Duration = Duration::from_millis(50);
/// … or when more and more objects went away for this long.
const DOUBT_AT_MOST: Duration = Duration::from_millis(400);

/// Objects that went away.
#[derive(Debug)]
pub(super) struct Absent {
    keys: BTreeSet<ObjectKey>,
    since: Instant,
    until: Instant,
}

/// What to put into force.
#[derive(Debug, Default)]
pub struct Changes {
    /// In no order.
    pub changes: Vec<Change>,
    /// What is wrong now, by file and line.
    pub problems: Vec<Problem>,
    /// When to look again though nothing else may happen: until then it is not clear whether objects
    /// went away.
    pub again: Option<Instant>,
}

impl ManifestSource {
    /// What the files say now and `in_force` does not, of what changed since this was asked, or
    /// everything read, for the last time. Files that look as they did then are not read.
    pub fn changes(&mut self, in_force: &Cluster) -> Changes {
        let reading = self.read();
        let problems = match self.replace(&reading) {
            Some(touched) => {
                self.touched.extend(touched);
                self.plain_problems(reading)
            }
            None => self.judge(reading).0.problems,
        };
        let again = self.doubt(in_force);
        let mut changes = Vec::new();
        if again.is_none() {
            let touched = std::mem::take(&mut self.touched);
            let all = touched.iter().map(|key| match self.good.get(key) {
                Some(kept) => kept.object.change(key),
                None => key.gone(),
            });
            changes.extend(all.filter(|change| in_force.differs(change)));
        }
        Changes {
            changes,
            problems,
            again,
        }
    }

    /// Takes over what files hold now in the place of what they held, where nothing is wrong with
    /// that and was not before. Answers what that touches.
    fn replace(&mut self, reading: &Reading) -> Option<BTreeSet<ObjectKey>> {
        if !self.plain || !reading.unread.is_empty() {
            return None;
        }
        let new = self.new_objects(&reading.replaced)?;
        let mut touched: BTreeSet<ObjectKey> = new.keys().cloned().collect();
        for document in documents(&reading.replaced, |one| one.before.as_ref()) {
            let key = document.key.as_ref()?;
            self.good.remove(key);
            touched.insert(key.clone());
        }
        self.good.extend(new);
        Some(touched)
    }

    /// The objects of files that changed; `None` when something is wrong with them.
    fn new_objects(&self, replaced: &[Replaced]) -> Option<BTreeMap<ObjectKey, Kept>> {
        let before = documents(replaced, |one| one.before.as_ref());
        let left: BTreeSet<&ObjectKey> = before.filter_map(|one| one.key.as_ref()).collect();
        let mut new = BTreeMap::new();
        for document in documents(replaced, |one| one.after.as_ref()) {
            let key = document.key.as_ref()?;
            let kept = Kept {
                file: Arc::clone(&document.file),
                object: document.object.clone()?,
            };
            let elsewhere = self.good.contains_key(key) && !left.contains(key);
            if elsewhere || new.insert(key.clone(), kept).is_some() {
                return None;
            }
        }
        Some(new)
    }

    /// Problems where every object is good: hints alone.
    fn plain_problems(&self, reading: Reading) -> Vec<Problem> {
        let mut problems = reading.problems;
        let hints = self.cache.contents().flat_map(|file| &file.problems);
        problems.extend(hints.cloned());
        problems.sort();
        problems.dedup();
        problems
    }

    /// Until when it is not clear whether objects went away, if it is not.
    fn doubt(&mut self, in_force: &Cluster) -> Option<Instant> {
        let touched = self.touched.iter();
        let gone =
            touched.filter(|key| !self.good.contains_key(key) && in_force.differs(&key.gone()));
        let gone: BTreeSet<ObjectKey> = gone.cloned().collect();
        let now = Instant::now();
        self.absent = (!gone.is_empty()).then(|| match self.absent.take() {
            Some(before) if gone.is_subset(&before.keys) => Absent {
                keys: gone,
                ..before
            },
            before => Absent {
                keys: gone,
                since: before.map_or(now, |before| before.since),
                until: now + DOUBT,
            },
        });
        let absent = self.absent.as_ref()?;
        let until = absent.until.min(absent.since + DOUBT_AT_MOST);
        if now < until {
            return Some(until);
        }
        self.absent = None;
        None
    }
}

fn documents<'a>(
    replaced: &'a [Replaced],
    which: impl Fn(&'a Replaced) -> Option<&'a Arc<super::read::Contents>>,
) -> impl Iterator<Item = &'a Document> {
    replaced
        .iter()
        .filter_map(which)
        .flat_map(|file| &file.documents)
}

#[cfg(test)]
mod tests;
