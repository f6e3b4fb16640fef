//! Things found by the labels that they have.

use std::collections::HashMap;

use super::sorted::Sorted;
use crate::intern::Name;
use crate::selector::{LabelSelector, Labels, Test};

/// Labelled things: for each label with its value, who has it.
#[derive(Debug)]
pub(super) struct Postings<T> {
    keys: HashMap<Name, HashMap<Name, Sorted<T>>>,
}

impl<T: Clone + Ord> Postings<T> {
    pub(super) fn new() -> Self {
        Self {
            keys: HashMap::new(),
        }
    }

    /// Notes the labels of a thing.
    pub(super) fn add(&mut self, labels: &Labels, thing: &T) {
        for (key, value) in labels {
            let values = self.keys.entry(key.clone()).or_default();
            values
                .entry(value.clone())
                .or_default()
                .insert(thing.clone());
        }
    }

    /// Forgets the labels of a thing.
    pub(super) fn remove(&mut self, labels: &Labels, thing: &T) {
        for (key, value) in labels {
            let Some(values) = self.keys.get_mut(key) else {
                continue;
            };
            if let Some(things) = values.get_mut(value) {
                things.remove(thing);
                if things.is_empty() {
                    values.remove(value);
                }
            }
            if values.is_empty() {
                self.keys.remove(key);
            }
        }
    }

    /// Things among which all are that a selector matches, and how many these are: those that meet
    /// the one of its requirements that the fewest meet. `None` for a selector that requires no value.
    pub(super) fn candidates<'a>(&'a self, selector: &LabelSelector) -> Option<Candidates<'a, T>> {
        let requirements = selector.requirements.iter();
        let lists = requirements.filter_map(|one| match &one.test {
            Test::In(values) => Some(match self.keys.get(&one.key) {
                Some(of_key) => values.iter().filter_map(|v| of_key.get(v)).collect(),
                None => Vec::new(),
            }),
            Test::NotIn(_) | Test::Exists | Test::DoesNotExist => None,
        });
        lists.map(Candidates).min_by_key(Candidates::len)
    }
}

/// Things by one label: none has two values of it, so each is there once.
pub(super) struct Candidates<'a, T>(Vec<&'a Sorted<T>>);

impl<'a, T: Ord> Candidates<'a, T> {
    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.0.iter().map(|list| list.len()).sum()
    }

    /// Each of them.
    pub(super) fn iter(&self) -> impl Iterator<Item = &'a T> {
        self.0.iter().flat_map(|list| list.iter())
    }

    /// Each of them.
    pub(super) fn into_iter(self) -> impl Iterator<Item = &'a T> {
        self.0.into_iter().flat_map(Sorted::iter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::selector::Requirement;

    fn requirement(key: &str, test: Test) -> Requirement {
        Requirement {
            key: key.into(),
            test,
        }
    }

    fn found(postings: &Postings<u32>, requirements: &[Requirement]) -> Option<Vec<u32>> {
        let selector = LabelSelector {
            requirements: requirements.iter().cloned().collect(),
        };
        let candidates = postings.candidates(&selector)?;
        Some(candidates.into_iter().copied().collect())
    }

    #[test]
    fn things_are_found_by_the_requirement_that_the_fewest_meet() {
        let mut postings = Postings::new();
        for thing in 0..10 {
            let labels = Labels::from([("env", "prod".to_owned()), ("id", thing.to_string())]);
            postings.add(&labels, &thing);
        }
        let env = requirement("env", Test::In(["prod".into()].into()));
        let ids = requirement("id", Test::In(["3".into(), "7".into(), "70".into()].into()));
        assert_eq!(
            found(&postings, &[env.clone(), ids.clone()]),
            Some(vec![3, 7])
        );
        assert_eq!(found(&postings, &[env]).map(|all| all.len()), Some(10));
        assert_eq!(found(&postings, &[requirement("id", Test::Exists)]), None);
        let unknown = requirement("app", Test::In(["web".into()].into()));
        assert_eq!(found(&postings, &[ids, unknown]), Some(Vec::new()));
    }

    #[test]
    fn what_is_removed_leaves_nothing() {
        let mut postings = Postings::new();
        let labels = Labels::from([("env", "prod"), ("id", "1")]);
        postings.add(&labels, &1);
        postings.remove(&labels, &1);
        assert!(postings.keys.is_empty());
    }
}
