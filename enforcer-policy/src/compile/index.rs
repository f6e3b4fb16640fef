//! Selectors, found by the labels that they could match.
//!
//! A selector is filed under one of the labels that it requires: the one under which the fewest are
//! filed. So of selectors that all ask the same label and each another one besides, those that could
//! match a pod are found by the other one.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap};

use super::sorted::Sorted;
use crate::few::Few;
use crate::intern::Name;
use crate::rule::{Namespaces, PodSelector};
use crate::selector::{LabelSelector, Labels, Test};

/// A selector with the item that stands for it, by which it is known.
#[derive(Clone, Debug)]
struct Filed<T> {
    item: T,
    selector: PodSelector,
}

impl<T: Ord> PartialEq for Filed<T> {
    fn eq(&self, other: &Self) -> bool {
        self.item == other.item
    }
}

impl<T: Ord> Eq for Filed<T> {}

impl<T: Ord> PartialOrd for Filed<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T: Ord> Ord for Filed<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.item.cmp(&other.item)
    }
}

impl<T> Borrow<T> for Filed<T> {
    fn borrow(&self) -> &T {
        &self.item
    }
}

/// Selectors that are filed under the same.
type Bucket<T> = Sorted<Filed<T>>;

/// What a selector can be filed under: something that whatever it matches must have.
#[derive(Clone, Copy, Debug)]
enum Hook<'a> {
    /// One of these values of a label.
    Values(&'a Name, &'a Few<Name>),
    /// A label.
    Key(&'a Name),
    /// Nothing: it could match whatever there is.
    Nothing,
}

/// All hooks of a selector, those that say more first.
fn hooks(selector: &LabelSelector) -> Vec<Hook<'_>> {
    let requirements = || selector.requirements.iter();
    let values = requirements().filter_map(|one| match &one.test {
        Test::In(values) => Some(Hook::Values(&one.key, values)),
        _ => None,
    });
    let keys = requirements().filter(|one| one.test == Test::Exists);
    let keys = keys.map(|one| Hook::Key(&one.key));
    values.chain(keys).chain([Hook::Nothing]).collect()
}

/// Selectors that ask one label.
#[derive(Debug)]
struct OfKey<T> {
    values: HashMap<Name, Bucket<T>>,
    any: Bucket<T>,
}

/// Buckets by label.
#[derive(Debug)]
struct ByLabel<T> {
    keys: HashMap<Name, OfKey<T>>,
    all: Bucket<T>,
}

impl<T: Copy + Ord> ByLabel<T> {
    fn new() -> Self {
        Self {
            keys: HashMap::new(),
            all: Bucket::default(),
        }
    }

    /// How many there are already where a hook leads.
    fn crowd(&self, hook: Hook<'_>) -> usize {
        match hook {
            Hook::Values(key, values) => self.keys.get(key).map_or(0, |of_key| {
                let buckets = values.iter().filter_map(|value| of_key.values.get(value));
                buckets.map(Bucket::len).sum()
            }),
            Hook::Key(key) => self.keys.get(key).map_or(0, |of_key| of_key.any.len()),
            Hook::Nothing => self.all.len(),
        }
    }

    /// The hook that leads to the fewest others, and how good it is: the lower, the better. A label
    /// with a value is better than one without, and that is better than nothing.
    fn best<'a>(&self, labels: &'a LabelSelector) -> ((u8, usize), Hook<'a>) {
        let rank = |hook: Hook<'a>| match hook {
            Hook::Values(..) => ((0, self.crowd(hook)), hook),
            Hook::Key(_) => ((1, self.crowd(hook)), hook),
            Hook::Nothing => ((2, self.crowd(hook)), hook),
        };
        let ranked = hooks(labels).into_iter().map(rank);
        let best = ranked.min_by_key(|(rank, _)| *rank);
        best.unwrap_or_else(|| rank(Hook::Nothing))
    }

    fn insert(&mut self, hook: Hook<'_>, item: T, selector: &PodSelector) {
        let filed = || Filed {
            item,
            selector: selector.clone(),
        };
        match hook {
            Hook::Values(key, values) => {
                let of_key = self.key(key);
                for value in values {
                    let bucket = of_key.values.entry(value.clone()).or_default();
                    bucket.insert(filed());
                }
            }
            Hook::Key(key) => self.key(key).any.insert(filed()),
            Hook::Nothing => self.all.insert(filed()),
        }
    }

    fn key(&mut self, key: &Name) -> &mut OfKey<T> {
        self.keys.entry(key.clone()).or_insert_with(|| OfKey {
            values: HashMap::new(),
            any: Bucket::default(),
        })
    }

    /// Removes it from wherever it was filed.
    fn remove(&mut self, labels: &LabelSelector, item: T) {
        for hook in hooks(labels) {
            match hook {
                Hook::Values(key, values) => self.remove_key(key, item, values),
                Hook::Key(key) => self.remove_key(key, item, &[]),
                Hook::Nothing => self.all.remove(&item),
            }
        }
    }

    fn remove_key(&mut self, key: &Name, item: T, values: &[Name]) {
        let Some(of_key) = self.keys.get_mut(key) else {
            return;
        };
        of_key.any.remove(&item);
        for value in values {
            if let Some(bucket) = of_key.values.get_mut(value) {
                bucket.remove(&item);
                if bucket.is_empty() {
                    of_key.values.remove(value);
                }
            }
        }
        if of_key.values.is_empty() && of_key.any.is_empty() {
            self.keys.remove(key);
        }
    }

    fn is_empty(&self) -> bool {
        self.keys.is_empty() && self.all.is_empty()
    }

    /// The entries whose hook something with these labels has.
    fn candidates<'a>(&'a self, labels: &'a Labels) -> impl Iterator<Item = &'a Filed<T>> {
        let labels = labels.iter().filter(|_| !self.keys.is_empty());
        let keys = labels.filter_map(|(key, value)| Some((self.keys.get(key)?, value)));
        keys.flat_map(|(of_key, value)| {
            let of_value = of_key.values.get(value).into_iter();
            of_value.flat_map(Bucket::iter).chain(of_key.any.iter())
        })
        .chain(self.all.iter())
    }
}

/// Pod selectors, each with an item that stands for it.
#[derive(Debug)]
pub(crate) struct PodIndex<T> {
    /// Selectors of one namespace, by its name and then by labels of the pod.
    named: HashMap<Name, ByLabel<T>>,
    /// Selectors of many namespaces, by labels of the pod...
    by_pod: ByLabel<T>,
    /// ...or, where that leads to fewer others, by labels of the namespace.
    by_namespace: ByLabel<T>,
    /// What selectors of many namespaces ask of these, with how many do.
    asked: BTreeMap<LabelSelector, usize>,
}

impl<T: Copy + Ord> PodIndex<T> {
    pub(crate) fn new() -> Self {
        Self {
            named: HashMap::new(),
            by_pod: ByLabel::new(),
            by_namespace: ByLabel::new(),
            asked: BTreeMap::new(),
        }
    }

    pub(crate) fn insert(&mut self, item: T, selector: &PodSelector) {
        let pods = &selector.pods;
        match &selector.namespaces {
            Namespaces::Named(name) => {
                let named = self.named.entry(name.clone()).or_insert_with(ByLabel::new);
                let (_, hook) = named.best(pods);
                named.insert(hook, item, selector);
            }
            Namespaces::Matching(namespaces) => {
                *self.asked.entry(namespaces.clone()).or_default() += 1;
                let (of_pod, pods) = self.by_pod.best(pods);
                let (of_namespace, namespaces) = self.by_namespace.best(namespaces);
                if of_pod <= of_namespace {
                    self.by_pod.insert(pods, item, selector);
                } else {
                    self.by_namespace.insert(namespaces, item, selector);
                }
            }
        }
    }

    pub(super) fn remove(&mut self, item: T, selector: &PodSelector) {
        let pods = &selector.pods;
        match &selector.namespaces {
            Namespaces::Named(name) => {
                let Some(named) = self.named.get_mut(name) else {
                    return;
                };
                named.remove(pods, item);
                if named.is_empty() {
                    self.named.remove(name);
                }
            }
            Namespaces::Matching(namespaces) => {
                self.forget_asked(namespaces);
                self.by_pod.remove(pods, item);
                self.by_namespace.remove(namespaces, item);
            }
        }
    }

    fn forget_asked(&mut self, namespaces: &LabelSelector) {
        if let Some(count) = self.asked.get_mut(namespaces) {
            *count -= 1;
            if *count == 0 {
                self.asked.remove(namespaces);
            }
        }
    }

    /// Whether any selector means a namespace with the one labels and not with the other.
    pub(super) fn tells_apart(&self, one: &Labels, other: &Labels) -> bool {
        self.asked
            .keys()
            .any(|namespaces| namespaces.matches(one) != namespaces.matches(other))
    }

    /// The items, sorted, whose selectors mean a pod with `labels` in this namespace.
    pub(crate) fn matching(
        &self,
        namespace: &str,
        namespace_labels: &Labels,
        labels: &Labels,
    ) -> Vec<T> {
        let named = self.named.get(namespace);
        let mut items: Vec<T> = named
            .into_iter()
            .flat_map(|named| named.candidates(labels))
            .chain(self.by_pod.candidates(labels))
            .chain(self.by_namespace.candidates(namespace_labels))
            .filter(|one| selects(&one.selector, namespace, namespace_labels, labels))
            .map(|one| one.item)
            .collect();
        items.sort_unstable();
        items
    }
}

/// Whether a selector means a pod with `labels` in this namespace.
pub(super) fn selects(
    selector: &PodSelector,
    namespace: &str,
    namespace_labels: &Labels,
    labels: &Labels,
) -> bool {
    let in_namespace = match &selector.namespaces {
        Namespaces::Named(name) => name == namespace,
        Namespaces::Matching(namespaces) => namespaces.matches(namespace_labels),
    };
    in_namespace && selector.pods.matches(labels)
}
