//! Which policy sets follow from which subjects, remembered from change to change.

use std::collections::HashMap;
use std::sync::Arc;

use enforcer_common::abi::endpoint::NOT_ISOLATED;

use super::subjects::SubjectId;
use crate::model::NamedPort;

/// Everything of which the policy sets of a pod are made.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Content {
    /// The subjects that mean it, sorted.
    pub(super) subjects: Vec<SubjectId>,
    /// Its ports, of which rules may speak by name.
    pub(super) ports: Vec<NamedPort>,
}

/// The sets of pods that somebody has asked for. It may forget any at any time.
///
/// A pod to which many policies apply has a set that takes long to make. Its siblings get it by their
/// subjects' numbers, which mean one thing for ever, unless selectors are renewed.
#[derive(Debug, Default)]
pub(super) struct Resolved {
    sets: HashMap<Arc<Content>, [u32; 2]>,
    /// What is to be forgotten when a set is.
    of_set: HashMap<u32, Vec<Arc<Content>>>,
}

/// How many contents of one set are remembered.
const ENOUGH: usize = 1024;

impl Resolved {
    pub(super) fn get(&self, content: &Content) -> Option<[u32; 2]> {
        self.sets.get(content).copied()
    }

    /// Remembers the sets of a content. What makes no set is found out as fast again.
    pub(super) fn put(&mut self, content: Content, sets: [u32; 2]) {
        if sets == [NOT_ISOLATED; 2] {
            return;
        }
        for set in sets {
            if self.of_set.get(&set).is_some_and(|all| all.len() >= ENOUGH) {
                self.forget(set);
            }
        }
        let content = Arc::new(content);
        for set in sets.into_iter().filter(|set| *set != NOT_ISOLATED) {
            self.of_set
                .entry(set)
                .or_default()
                .push(Arc::clone(&content));
        }
        self.sets.insert(content, sets);
    }

    /// A set is gone.
    pub(super) fn forget(&mut self, set: u32) {
        for content in self.of_set.remove(&set).unwrap_or_default() {
            self.sets.remove(&content);
        }
    }

    /// Selectors mean other pods now.
    pub(super) fn clear(&mut self) {
        self.sets.clear();
        self.of_set.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::{Content, ENOUGH, Resolved};

    fn content(subject: u32) -> Content {
        Content {
            subjects: vec![subject],
            ports: Vec::new(),
        }
    }

    #[test]
    fn what_is_remembered_goes_with_either_of_its_sets() {
        let mut resolved = Resolved::default();
        resolved.put(content(1), [5, 6]);
        resolved.put(content(2), [0, 6]);
        assert_eq!(resolved.get(&content(1)), Some([5, 6]));
        resolved.forget(5);
        assert_eq!(resolved.get(&content(1)), None);
        assert_eq!(resolved.get(&content(2)), Some([0, 6]));
        resolved.forget(6);
        assert!(resolved.sets.is_empty() && resolved.of_set.is_empty());
    }

    #[test]
    fn contents_of_one_set_that_come_and_go_do_not_pile_up() {
        let mut resolved = Resolved::default();
        for subject in 0..3 * 1024 + 7 {
            resolved.put(content(subject), [0, 6]);
        }
        assert!(resolved.sets.len() <= ENOUGH && resolved.of_set[&6].len() <= ENOUGH);
        assert_eq!(resolved.get(&content(3 * 1024 + 6)), Some([0, 6]));
    }
}
