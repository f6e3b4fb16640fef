//! Label selectors (Kubernetes API: `meta/v1.LabelSelector`), validated.

pub use labels::Labels;

use crate::few::Few;
use crate::intern::Name;

mod labels;

/// A conjunction of requirements; without any it matches everything.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LabelSelector {
    /// Sorted and without repetition, so that equal selectors are equal values.
    pub requirements: Few<Requirement>,
}

/// One requirement. `matchLabels` becomes `In` with one value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Requirement {
    /// The label's key.
    pub key: Name,
    /// What the label must be like.
    pub test: Test,
}

/// The operators of `matchExpressions`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Test {
    /// The label is there and has one of these values.
    In(Few<Name>),
    /// The label is missing or has none of these values.
    NotIn(Few<Name>),
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
            Test::In(values) => value.is_some_and(|value| values.contains(value.as_str())),
            Test::NotIn(values) => value.is_none_or(|value| !values.contains(value.as_str())),
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
