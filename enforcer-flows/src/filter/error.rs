//! What is wrong with the text of a filter.

use super::What;

/// What is wrong with a term.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TermError {
    /// It has no `=`.
    #[error("{0:?} is no filter: write WHAT=VALUE, such as pod=default/web or verdict=denied")]
    NotATerm(String),
    /// Nothing is filtered by this.
    #[error("nothing is filtered by {found:?}; there are {}", What::names())]
    Unknown {
        /// What was asked for.
        found: String,
    },
    /// `from:` or `to:` where there are no sides.
    #[error("{0} is of the whole flow and has no side: leave out from: or to:")]
    NoSides(What),
    /// The value cannot be read.
    #[error("{value:?} is no {what}: write {wanted}")]
    Value {
        /// What it should be.
        what: What,
        /// What was written.
        value: String,
        /// What can be written.
        wanted: String,
    },
    /// The label selector cannot be read.
    #[error("{value:?} is no label selector: {source}")]
    Selector {
        /// What was written.
        value: String,
        /// What is wrong.
        #[source]
        source: SelectorError,
    },
}

/// What is wrong with a label selector.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SelectorError {
    /// There is nothing, or nothing between two commas.
    #[error("a requirement is missing; write KEY, !KEY, KEY=VALUE, KEY!=VALUE or KEY in (A,B)")]
    Missing,
    /// A key that no label has.
    #[error("{0:?} is no label key; write [PREFIX/]NAME")]
    Key(String),
    /// A value that no label has.
    #[error(
        "{0:?} is no label value: at most 63 letters, digits, '-', '_' and '.', a letter or digit at both ends"
    )]
    LabelValue(String),
    /// Something else than an operator behind a key.
    #[error("{0:?} stands where =, ==, !=, in, notin or a comma is expected")]
    Operator(String),
    /// `in` or `notin` without a list.
    #[error("write a list such as (a,b) behind in or notin")]
    List,
    /// Comparisons of numbers.
    #[error("< and > are for scheduling; labels of pods have no order here")]
    Order,
}
