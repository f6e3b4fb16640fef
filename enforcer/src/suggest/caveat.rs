//! What cannot be told.

/// Why the policies allow more than was seen, or less.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum Caveat {
    /// Pods that no record names are unknown.
    #[error("without --manifests nobody can tell which other pods have the same labels")]
    NoManifests,
    /// What a node recorded is not known.
    #[error("node {node} did not answer ({why}): what it recorded is not known")]
    NoAnswer {
        /// Which.
        node: String,
        /// Why.
        why: String,
    },
    /// What is left out may be a pod with the same labels.
    #[error("{0} in the manifests: what has one is left out")]
    Errors(String),
    /// No selector means the pods of this workload.
    #[error("{0} has no label that all of its pods have and that lasts: no rule can name it")]
    NoLabels(String),
    /// Other pods have the same labels.
    #[error(
        "{workload} cannot be told by labels from {other}: what is allowed to the one is allowed to the other"
    )]
    Shared {
        /// The workload.
        workload: String,
        /// The other one.
        other: String,
    },
    /// The protocol is none of the API's.
    #[error("{0}: NetworkPolicies have rules for TCP, UDP and SCTP only")]
    Protocol(String),
    /// A pod of a record is not there.
    #[error(
        "the pod {0} and its workload are not in the manifests: they are taken as its records describe them"
    )]
    Gone(String),
    /// Of some of its pods nothing can have been recorded.
    #[error(
        "{workload} also has pods on nodes that made no record ({nodes}): what these do is not known"
    )]
    Unheard {
        /// The workload.
        workload: String,
        /// The nodes.
        nodes: String,
    },
    /// Its own pods made no record.
    #[error("{0}: nothing was recorded at its own pods, only by others")]
    Silent(String),
    /// A block was widened over addresses that have other owners.
    #[error(
        "{block}, widened as --allow-outside wants it, covers pods or nodes, such as {example}"
    )]
    Wide {
        /// The block.
        block: String,
        /// One of them.
        example: String,
    },
    /// A service is no peer of a rule.
    #[error("the address of {0} was reached untranslated, and only the address can be named")]
    ServiceAddress(String),
}
