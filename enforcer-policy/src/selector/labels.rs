//! The labels of an object.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Index;
use std::sync::{Arc, LazyLock};

use crate::intern::{Name, Pool};

type Entry = (Name, Name);

/// The labels of an object, by key. All objects with the same labels, such as the pods of one
/// controller, share one allocation.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Labels(Arc<[Entry]>);

static LABELS: LazyLock<Pool<[Entry]>> = LazyLock::new(Pool::default);

impl Labels {
    /// The value of a label.
    pub fn get(&self, key: &str) -> Option<&Name> {
        let index = self.0.binary_search_by(|(one, _)| one.as_str().cmp(key));
        Some(&self.0.get(index.ok()?)?.1)
    }

    /// Keys and values, sorted by key.
    pub fn iter(&self) -> std::slice::Iter<'_, Entry> {
        self.0.iter()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds a label, in the place of another with the same key.
    pub fn insert(&mut self, key: impl Into<Name>, value: impl Into<Name>) {
        let all = self.iter().cloned().chain([(key.into(), value.into())]);
        *self = all.collect();
    }
}

/// Of several labels with one key the last counts.
impl<K: Into<Name>, V: Into<Name>> FromIterator<(K, V)> for Labels {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(labels: I) -> Self {
        let labels = labels.into_iter();
        let sorted: BTreeMap<Name, Name> = labels
            .map(|(key, value)| (key.into(), value.into()))
            .collect();
        let entries: Vec<Entry> = sorted.into_iter().collect();
        Self(LABELS.share(&entries))
    }
}

impl<K: Into<Name>, V: Into<Name>, const N: usize> From<[(K, V); N]> for Labels {
    fn from(labels: [(K, V); N]) -> Self {
        labels.into_iter().collect()
    }
}

impl<'a> IntoIterator for &'a Labels {
    type Item = &'a Entry;
    type IntoIter = std::slice::Iter<'a, Entry>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// Panics without such a label, as maps do.
impl Index<&str> for Labels {
    type Output = Name;

    #[expect(clippy::expect_used, reason = "what an index promises")]
    fn index(&self, key: &str) -> &Name {
        self.get(key).expect("no such label")
    }
}

impl fmt::Debug for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let entries = self.iter().map(|(key, value)| (key, value));
        f.debug_map().entries(entries).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_labels_are_one_allocation() {
        let one = Labels::from([("a", "1"), ("b", "2")]);
        let mut other = Labels::from([("b", "2")]);
        other.insert("a", "1");
        assert!(Arc::ptr_eq(&one.0, &other.0));
    }

    #[test]
    fn the_last_of_several_values_counts() {
        let mut labels = Labels::from([("b", "1"), ("a", "2"), ("b", "3")]);
        labels.insert("a", "4");
        assert_eq!(format!("{labels:?}"), r#"{"a": "4", "b": "3"}"#);
        assert_eq!(labels.get("b").map(Name::as_str), Some("3"));
        assert_eq!(labels.get("c"), None);
    }
}
