//! Selectors, found by the labels that they could match.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::rule::{Namespaces, PodSelector};
use crate::selector::{LabelSelector, Labels, Test};

type Bucket<T> = BTreeMap<T, Arc<PodSelector>>;

/// Where an entry is filed: under something that whatever it matches must have.
enum Hook<'a> {
    /// One of these values of a label.
    Values(&'a str, Vec<&'a str>),
    /// A label.
    Key(&'a str),
}

fn hook(selector: &LabelSelector) -> Option<Hook<'_>> {
    let mut key = None;
    for requirement in &selector.requirements {
        match &requirement.test {
            Test::In(values) => {
                let values = values.iter().map(String::as_str).collect();
                return Some(Hook::Values(&requirement.key, values));
            }
            Test::Exists => key = Some(Hook::Key(&requirement.key)),
            Test::NotIn(_) | Test::DoesNotExist => {}
        }
    }
    key
}

/// Buckets by label.
#[derive(Debug)]
struct ByLabel<T> {
    by_value: HashMap<String, HashMap<String, Bucket<T>>>,
    by_key: HashMap<String, Bucket<T>>,
    rest: Bucket<T>,
}

impl<T: Copy + Ord> ByLabel<T> {
    fn new() -> Self {
        Self {
            by_value: HashMap::new(),
            by_key: HashMap::new(),
            rest: Bucket::new(),
        }
    }

    fn insert(&mut self, hook: Option<Hook<'_>>, item: T, selector: &Arc<PodSelector>) {
        match hook {
            None => drop(self.rest.insert(item, Arc::clone(selector))),
            Some(Hook::Key(key)) => {
                let bucket = self.by_key.entry(key.to_owned()).or_default();
                bucket.insert(item, Arc::clone(selector));
            }
            Some(Hook::Values(key, values)) => {
                let by_value = self.by_value.entry(key.to_owned()).or_default();
                for value in values {
                    let bucket = by_value.entry(value.to_owned()).or_default();
                    bucket.insert(item, Arc::clone(selector));
                }
            }
        }
    }

    fn remove(&mut self, hook: Option<Hook<'_>>, item: T) {
        match hook {
            None => drop(self.rest.remove(&item)),
            Some(Hook::Key(key)) => remove_from(&mut self.by_key, key, item),
            Some(Hook::Values(key, values)) => {
                let Some(by_value) = self.by_value.get_mut(key) else {
                    return;
                };
                for value in values {
                    remove_from(by_value, value, item);
                }
                if by_value.is_empty() {
                    self.by_value.remove(key);
                }
            }
        }
    }

    fn is_empty(&self) -> bool {
        self.by_value.is_empty() && self.by_key.is_empty() && self.rest.is_empty()
    }

    fn candidates<'a>(
        &'a self,
        labels: &'a Labels,
    ) -> impl Iterator<Item = (T, &'a PodSelector)> + 'a {
        let by_label = labels.iter().flat_map(|(key, value)| {
            let by_value = self.by_value.get(key).and_then(|values| values.get(value));
            by_value.into_iter().chain(self.by_key.get(key))
        });
        by_label
            .chain([&self.rest])
            .flatten()
            .map(|(&item, selector)| (item, selector.as_ref()))
    }
}

fn remove_from<T: Ord>(buckets: &mut HashMap<String, Bucket<T>>, name: &str, item: T) {
    if let Some(bucket) = buckets.get_mut(name) {
        bucket.remove(&item);
        if bucket.is_empty() {
            buckets.remove(name);
        }
    }
}

/// Pod selectors, each with an item that stands for it.
#[derive(Debug)]
pub(super) struct PodIndex<T> {
    /// Selectors of one namespace, by its name and then by labels of the pod.
    named: HashMap<String, ByLabel<T>>,
    /// Selectors of many namespaces, by labels of the pod...
    by_pod: ByLabel<T>,
    /// ...or, where every pod would do, by labels of the namespace.
    by_namespace: ByLabel<T>,
}

impl<T: Copy + Ord> PodIndex<T> {
    pub(super) fn new() -> Self {
        Self {
            named: HashMap::new(),
            by_pod: ByLabel::new(),
            by_namespace: ByLabel::new(),
        }
    }

    pub(super) fn insert(&mut self, item: T, selector: &Arc<PodSelector>) {
        let pods = hook(&selector.pods);
        match &selector.namespaces {
            Namespaces::Named(name) => {
                let named = self.named.entry(name.clone()).or_insert_with(ByLabel::new);
                named.insert(pods, item, selector);
            }
            Namespaces::Matching(namespaces) if pods.is_none() => {
                self.by_namespace.insert(hook(namespaces), item, selector);
            }
            Namespaces::Matching(_) => self.by_pod.insert(pods, item, selector),
        }
    }

    pub(super) fn remove(&mut self, item: T, selector: &PodSelector) {
        let pods = hook(&selector.pods);
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
            Namespaces::Matching(namespaces) if pods.is_none() => {
                self.by_namespace.remove(hook(namespaces), item);
            }
            Namespaces::Matching(_) => self.by_pod.remove(pods, item),
        }
    }

    /// The items, sorted, whose selectors mean a pod with `labels` in this namespace.
    pub(super) fn matching(
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
            .filter(|(_, selector)| selects(selector, namespace, namespace_labels, labels))
            .map(|(item, _)| item)
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
