//! Label selectors (Kubernetes API: `meta/v1.LabelSelector`), validated.

use std::collections::{BTreeMap, BTreeSet};

/// The labels of an object.
pub type Labels = BTreeMap<String, String>;

/// A conjunction of requirements; without any it matches everything.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LabelSelector {
    /// Sorted and without repetition, so that equal selectors are equal values.
    pub requirements: BTreeSet<Requirement>,
}

/// One requirement. `matchLabels` becomes `In` with one value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Requirement {
    /// The label's key.
    pub key: String,
    /// What the label must be like.
    pub test: Test,
}

/// The operators of `matchExpressions`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Test {
    /// The label is there and has one of these values.
    In(BTreeSet<String>),
    /// The label is missing or has none of these values.
    NotIn(BTreeSet<String>),
    /// The label is there.
    Exists,
    /// The label is missing.
    DoesNotExist,
}

impl Requirement {
    /// Whether `labels` meet the requirement.
    pub fn matches(&self, labels: &Labels) -> bool {
        let value = labels.get(&self.key);
        match &self.test {
            Test::In(values) => value.is_some_and(|value| values.contains(value)),
            Test::NotIn(values) => value.is_none_or(|value| !values.contains(value)),
            Test::Exists => value.is_some(),
            Test::DoesNotExist => value.is_none(),
        }
    }
}

impl LabelSelector {
    /// Whether `labels` meet all requirements.
    pub fn matches(&self, labels: &Labels) -> bool {
        self.requirements
            .iter()
            .all(|requirement| requirement.matches(labels))
    }

    /// Whether it matches whatever there is.
    pub fn is_everything(&self) -> bool {
        self.requirements.is_empty()
    }
}
