//! The daemon's numbers, as its loop tells them.

use std::collections::BTreeMap;

use enforcer_common::abi::{Counter, Direction};
use enforcer_common::{Action, Reason};
use enforcer_flows::Kind;
use jiff::Timestamp;

use crate::api::status::Fill;
use crate::daemon::measure::Measures;
use crate::export;
use crate::flow::tally::ByPolicy;

/// What the metrics say. Every map but [`Self::by_policy`], which has a limit, has keys from a list that is
/// fixed at build time.
#[derive(Clone, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each of them is a metric")]
pub struct Numbers {
    /// When the daemon started.
    pub started: Timestamp,
    /// What policy denies passes, and is reported.
    pub audit: bool,
    /// Pods of this node by `enforced`, `partly`, `not_enforced`, and links of no known pod:
    /// `pending`.
    pub endpoints: BTreeMap<&'static str, u64>,
    /// Pods of this node that policies isolate, by direction.
    pub isolated: BTreeMap<&'static str, u64>,
    /// Pods of this node that deny everything because their policies do not fit into the maps.
    pub unfit: u64,
    /// Links by `attached`, pods' that have their programs, and `failed`, those that could not get them.
    pub links: BTreeMap<&'static str, u64>,
    /// Policies in the cluster.
    pub policies: u64,
    /// Policies that do not hold for a pod of this node.
    pub policies_not_enforced: u64,
    /// Policies with mistakes.
    pub policies_refused: u64,
    /// Classes of addresses.
    pub identities: u64,
    /// Different sets of rules that apply to pods.
    pub policy_sets: u64,
    /// Grows with every change of an object.
    pub revision: u64,
    /// Map entries by map.
    pub maps: BTreeMap<String, Fill>,
    /// Packets and bytes by direction of the link and reason.
    pub packets: BTreeMap<(Direction, Reason), Counter>,
    /// Denied packets of which no record tells, by direction of the link and reason.
    pub denials_unrecorded: BTreeMap<(Direction, Reason), u64>,
    /// New flows and denials of which no record tells, by kind.
    pub events_suppressed: BTreeMap<String, u64>,
    /// Flow records by kind, and whose policy was asked.
    pub records: BTreeMap<(Kind, Direction), u64>,
    /// Flow records that are kept.
    pub records_kept: u64,
    /// What policies did, as records tell it.
    pub by_policy: ByPolicy,
    /// Flows that gave way to others in their tables before they expired; absent where the kernel does not say.
    pub displaced_flows: Option<u64>,
    /// Everything was read completely at least once.
    pub synced: bool,
    /// Everything that was read is in force in the kernel.
    pub in_force: bool,
    /// A map write failed, and isolated endpoints deny everything until it succeeds.
    pub writes_failing: bool,
    /// What is wrong with objects, and with the node.
    pub problems: u64,
    /// Other policy engines of this node.
    pub other_engines: u64,
    /// Watches of the API server, by the kind's plural.
    pub watches: BTreeMap<&'static str, Watch>,
    /// How often maps were compared with what was written.
    pub read_backs: u64,
    /// Entries that were not as written, by map.
    pub drift: BTreeMap<&'static str, u64>,
    /// What the export has done.
    pub export: export::Counters,
    /// Starts of pods that wait until their policies are in force.
    pub holds: u64,
    /// Clients over TCP that were refused, because they were not root's.
    pub refused_clients: u64,
    /// Since the start.
    pub measures: Measures,
}

/// The watch of one kind.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Watch {
    /// For so many seconds changes have not been seen; 0 while they are.
    pub behind: f64,
    /// Objects that the API server has told, in lists and after them.
    pub objects: u64,
    /// How often it was begun again.
    pub restarts: u64,
}

/// Whether packets with this reason are dropped, or would be but for audit mode.
pub fn is_denial(reason: Reason) -> bool {
    reason.action() == Action::Drop || reason == Reason::AuditDenied
}
