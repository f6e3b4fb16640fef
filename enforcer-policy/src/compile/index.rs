//! Selectors, found by the labels that they could match.

use std::collections::HashMap;

use super::sorted::Sorted;
use crate::intern::Name;
use crate::rule::{Namespaces, PodSelector};
use crate::selector::{LabelSelector, Labels, Test};

/// Selectors that are filed under the same, by the items that stand for them.
type Bucket<T> = Sorted<(T, PodSelector)>;

/// What an entry is filed under: something that whatever it matches must have.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Hook {
    /// This value of a label.
    Value(Name, Name),
    /// A label.
    Key(Name),
    /// Nothing: it could match whatever there is.
    Nothing,
}

/// All hooks of a selector: one, or one for each value that a label may have.
fn hooks(selector: &LabelSelector) -> Vec<Hook> {
    let mut hooks = vec![Hook::Nothing];
    for requirement in &selector.requirements {
        let key = &requirement.key;
        match &requirement.test {
            Test::In(values) => {
                let value = |value: &Name| Hook::Value(key.clone(), value.clone());
                return values.iter().map(value).collect();
            }
            Test::Exists => hooks = vec![Hook::Key(key.clone())],
            Test::NotIn(_) | Test::DoesNotExist => {}
        }
    }
    hooks
}

/// Buckets by label.
#[derive(Debug)]
struct ByLabel<T> {
    buckets: HashMap<Hook, Bucket<T>>,
}

impl<T: Copy + Ord> ByLabel<T> {
    fn new() -> Self {
        Self {
            buckets: HashMap::new(),
        }
    }

    fn insert(&mut self, hooks: Vec<Hook>, item: T, selector: &PodSelector) {
        for hook in hooks {
            let bucket = self.buckets.entry(hook).or_default();
            bucket.insert((item, selector.clone()));
        }
    }

    fn remove(&mut self, hooks: &[Hook], item: T) {
        for hook in hooks {
            if let Some(bucket) = self.buckets.get_mut(hook) {
                bucket.remove_by(|(one, _)| one.cmp(&item));
                if bucket.is_empty() {
                    self.buckets.remove(hook);
                }
            }
        }
    }

    fn is_empty(&self) -> bool {
        self.buckets.is_empty()
    }

    /// The entries whose hook something with these labels has.
    fn candidates<'a>(&'a self, labels: &'a Labels) -> impl Iterator<Item = &'a (T, PodSelector)> {
        let hooks = labels.iter().flat_map(|(key, value)| {
            [
                Hook::Value(key.clone(), value.clone()),
                Hook::Key(key.clone()),
            ]
        });
        let hooks = hooks.chain([Hook::Nothing]).filter(|_| !self.is_empty());
        hooks
            .filter_map(|hook| self.buckets.get(&hook))
            .flat_map(|bucket| bucket.iter())
    }
}

/// Pod selectors, each with an item that stands for it.
#[derive(Debug)]
pub(super) struct PodIndex<T> {
    /// Selectors of one namespace, by its name and then by labels of the pod.
    named: HashMap<Name, ByLabel<T>>,
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

    pub(super) fn insert(&mut self, item: T, selector: &PodSelector) {
        let pods = hooks(&selector.pods);
        match &selector.namespaces {
            Namespaces::Named(name) => {
                let named = self.named.entry(name.clone()).or_insert_with(ByLabel::new);
                named.insert(pods, item, selector);
            }
            Namespaces::Matching(namespaces) if pods == [Hook::Nothing] => {
                self.by_namespace.insert(hooks(namespaces), item, selector);
            }
            Namespaces::Matching(_) => self.by_pod.insert(pods, item, selector),
        }
    }

    pub(super) fn remove(&mut self, item: T, selector: &PodSelector) {
        let pods = hooks(&selector.pods);
        match &selector.namespaces {
            Namespaces::Named(name) => {
                let Some(named) = self.named.get_mut(name) else {
                    return;
                };
                named.remove(&pods, item);
                if named.is_empty() {
                    self.named.remove(name);
                }
            }
            Namespaces::Matching(namespaces) if pods == [Hook::Nothing] => {
                self.by_namespace.remove(&hooks(namespaces), item);
            }
            Namespaces::Matching(_) => self.by_pod.remove(&pods, item),
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
            .map(|(item, _)| *item)
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
