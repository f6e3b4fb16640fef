//! The daemon's numbers, as its loop tells them.

use std::collections::BTreeMap;

use crate::api::status::Fill;
use crate::daemon::measure::Measures;

/// What the metrics say. Every map has keys from a list that is fixed at build time.
#[derive(Clone, Debug, Default)]
pub struct Numbers {
    /// Pods of this node by `enforced`, `partly`, `not_enforced`, and links of no known pod:
    /// `pending`.
    pub endpoints: BTreeMap<&'static str, u64>,
    /// Policies in the cluster.
    pub policies: u64,
    /// Policies that do not hold for a pod of this node.
    pub policies_not_enforced: u64,
    /// Map entries by map.
    pub maps: BTreeMap<String, Fill>,
    /// Packets by `direction/reason`.
    pub packets: BTreeMap<String, u64>,
    /// Flow events that were not reported, by kind.
    pub events_suppressed: BTreeMap<String, u64>,
    /// Denials of which no record tells, by `direction/reason`.
    pub denials_unrecorded: BTreeMap<String, u64>,
    /// Flows that gave way to others in their tables before they expired; absent where the kernel does not say.
    pub displaced_flows: Option<u64>,
    /// Everything was read completely at least once.
    pub synced: bool,
    /// Everything that was read is in force in the kernel.
    pub in_force: bool,
    /// What is wrong with objects, and with the node.
    pub problems: u64,
    /// How often watches of the API server were begun again, by kind.
    pub watch_restarts: BTreeMap<&'static str, u64>,
    /// How often maps were compared with what was written.
    pub read_backs: u64,
    /// Entries that were not as written, by map.
    pub drift: BTreeMap<&'static str, u64>,
    /// Since the start.
    pub measures: Measures,
}
