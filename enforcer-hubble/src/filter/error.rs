//! What is wrong with a filter.

use super::labels::SelectorError;

/// What is wrong with a filter.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FilterError {
    /// A field of Cilium's that is about what enforcer does not see.
    #[error(
        "flows cannot be filtered by {0}: enforcer's records do not have it; leave this filter out"
    )]
    Refused(&'static str),
    /// A field that came up later than this version.
    #[error(
        "flows cannot be filtered by field {0} of FlowFilter, which this version of enforcer does not know"
    )]
    Unknown(u32),
    /// It is no message.
    #[error("a filter cannot be decoded: {0}")]
    Malformed(#[from] prost::DecodeError),
    /// A value of a field that cannot be read.
    #[error("{value:?} is no {field}: write {wanted}")]
    Value {
        /// The field.
        field: &'static str,
        /// What it says.
        value: String,
        /// What it could say.
        wanted: &'static str,
    },
    /// A label selector that cannot be read.
    #[error("{value:?} is no {field}: {source}")]
    Selector {
        /// The field.
        field: &'static str,
        /// What it says.
        value: String,
        /// What is wrong with it.
        source: SelectorError,
    },
    /// A protocol above TCP and UDP.
    #[error("flows cannot be filtered by protocol {0}: enforcer does not look into connections")]
    Layer7(String),
}
