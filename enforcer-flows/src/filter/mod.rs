//! Which records are meant.
//!
//! A filter is a list of [`Term`]s such as `pod=from:default/web` or `port=not:53`. Terms of one kind and
//! side are alternatives; terms of different kinds or sides must all hold; none of the terms that
//! begin with `not:` may hold. Filters are asked of every record, so asking takes no memory.

mod error;
mod glob;
mod selector;
mod term;
mod test;
#[cfg(test)]
mod tests;
mod values;
mod what;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub use error::{SelectorError, TermError};
pub use selector::Selector;
pub use term::{Side, Term};
pub use what::What;

use crate::record::{Party, Record};

/// Which records are meant; the empty one means all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Sorted, so that terms of one group are together.
    terms: Box<[Term]>,
}

impl Filter {
    /// Whether it means this record.
    pub fn matches(&self, record: &Record) -> bool {
        let mut groups = self.terms.chunk_by(|one, next| one.group() == next.group());
        groups.all(|group| {
            let held = group.iter().any(|term| term.holds(record));
            held != group.first().is_some_and(Term::is_negated)
        })
    }

    /// Whether records that the node of this name makes can be meant.
    pub fn asks_node(&self, name: &str) -> bool {
        let mut groups = self.terms.chunk_by(|one, next| one.group() == next.group());
        groups.all(|group| {
            let mut of_node = group
                .iter()
                .filter_map(|term| term.means_node(name))
                .peekable();
            let negated = group.first().is_some_and(Term::is_negated);
            of_node.peek().is_none() || of_node.any(|held| held) != negated
        })
    }

    /// Whether it means somebody, of whom a party tells: for terms without sides about namespace, pod,
    /// workload and labels.
    pub fn means(&self, party: &Party) -> bool {
        let mut groups = self.terms.chunk_by(|one, next| one.group() == next.group());
        groups.all(|group| {
            let held = group.iter().any(|term| term.means(party));
            held != group.first().is_some_and(Term::is_negated)
        })
    }

    /// Its terms, sorted.
    pub fn terms(&self) -> &[Term] {
        &self.terms
    }
}

impl FromIterator<Term> for Filter {
    fn from_iter<I: IntoIterator<Item = Term>>(terms: I) -> Self {
        let mut terms: Vec<Term> = terms.into_iter().collect();
        terms.sort_unstable();
        terms.dedup();
        Self {
            terms: terms.into(),
        }
    }
}

/// A list of texts.
impl Serialize for Filter {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.terms.iter().map(ToString::to_string))
    }
}

impl<'de> Deserialize<'de> for Filter {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let texts = Vec::<String>::deserialize(deserializer)?;
        let terms = texts.iter().map(|text| text.parse::<Term>());
        terms.collect::<Result<_, _>>().map_err(D::Error::custom)
    }
}
