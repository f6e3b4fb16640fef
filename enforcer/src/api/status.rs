//! The answer to `status`.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Everything that an operator asks about a node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// Everything read is in force in the kernel.
    pub in_force: bool,
    /// The source has told everything at least once: from manifests always, from an API server when each
    /// kind has been listed whole. Before that nothing of this daemon is in force.
    #[serde(default)]
    pub synced: bool,
    /// The node's name, where one was given.
    pub node: Option<String>,
    /// `enforce` or `audit`.
    pub mode: String,
    /// What passes before a link's pod is known: `allow` or `deny`.
    pub pending: String,
    /// Version of the daemon.
    pub version: String,
    /// Pods of this node.
    pub endpoints: Vec<EndpointStatus>,
    /// Links whose pod is not known, by name.
    pub pending_links: Vec<String>,
    /// Policies.
    pub policies: Vec<PolicyStatus>,
    /// Other policy engines of this node, each with what gives it away: a packet must pass them
    /// too.
    #[serde(default)]
    pub other_engines: Vec<String>,
    /// What is wrong with the manifests, each with file, line, object, field and help.
    pub problems: Vec<String>,
    /// What is wrong with the node: writes that failed, namespaces that cannot be read.
    pub faults: Vec<String>,
    /// Why the API server is told nothing now, when it should be. What is enforced does not suffer.
    #[serde(default)]
    pub reports: Option<String>,
    /// Identities in use.
    pub identities: usize,
    /// Policy sets in use.
    pub policy_sets: usize,
    /// Entries by map: used and possible.
    pub maps: BTreeMap<String, Fill>,
    /// Packets by `direction/reason`.
    pub packets: BTreeMap<String, u64>,
    /// Events that were not reported, by kind.
    pub events_suppressed: BTreeMap<String, u64>,
    /// Denials of which no record tells, by `direction/reason`; as many more as records have are those in
    /// `packets`.
    #[serde(default)]
    pub denials_unrecorded: BTreeMap<String, u64>,
    /// Entries of maps that were not as written, and were written again, by map; none that is 0.
    #[serde(default)]
    pub drift_repaired: BTreeMap<String, u64>,
    /// What the daemon did since its start.
    #[serde(default)]
    pub work: Work,
    /// What runs, and on what.
    #[serde(default)]
    pub about: About,
    /// Where objects come from.
    #[serde(default)]
    pub source: SourceStatus,
    /// Policies that are refused for mistakes, `namespace/name`; an earlier good version stays in force.
    #[serde(default)]
    pub refused: Vec<String>,
    /// Flow records.
    #[serde(default)]
    pub flows: FlowStatus,
    /// What was dropped, or would have been, in the last minutes.
    #[serde(default)]
    pub recent: Recent,
    /// The CNI plugin, where the daemon keeps it installed.
    #[serde(default)]
    pub cni: Option<CniStatus>,
    /// Clients over TCP that were refused, because they were not root's.
    #[serde(default)]
    pub refused_clients: u64,
}

/// What runs, and on what.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// Since when this daemon runs.
    pub started: Option<Timestamp>,
    /// What the kernel calls itself.
    pub kernel: String,
    /// Where programs are attached: `tcx` or `clsact`.
    pub hook: String,
    /// Version of the layout of the maps.
    pub abi: u32,
    /// The `DaemonSet` that the daemon belongs to, `namespace/name`, where it was told.
    #[serde(default)]
    pub daemonset: Option<String>,
}

/// Where objects come from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceStatus {
    /// The path of the manifests, where it is that.
    pub manifests: Option<PathBuf>,
    /// Kinds whose changes are not seen now.
    pub behind: Vec<BehindStatus>,
}

/// A kind whose changes are not seen now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BehindStatus {
    /// The kind's plural.
    pub kind: String,
    /// Since when, if it failed.
    pub since: Option<Timestamp>,
}

/// Flow records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlowStatus {
    /// Records that are kept.
    pub kept: usize,
    /// How many are kept at most.
    pub limit: usize,
    /// Records since the daemon's start.
    pub seen: u64,
    /// When the oldest kept record was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub begin: Option<Timestamp>,
}

impl FlowStatus {
    /// How many records a reader of all since `since` does not find, because they are not kept any more.
    /// Some of them may be older than that.
    pub fn forgotten(&self, since: Option<Timestamp>) -> u64 {
        let reaches_back = self
            .begin
            .zip(since)
            .is_some_and(|(begin, since)| begin < since);
        if reaches_back {
            return 0;
        }
        self.seen.saturating_sub(self.kept as u64)
    }
}

/// What happened in the last minutes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recent {
    /// How many seconds this is about.
    pub seconds: u64,
    /// Packets dropped, or that would have been in audit mode, by `direction/reason`.
    pub drops: BTreeMap<String, u64>,
    /// New flow records.
    pub records: u64,
    /// Events that were not reported.
    pub lost: u64,
}

/// The CNI plugin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CniStatus {
    /// Why it is not installed, when it is not.
    pub trouble: Option<String>,
}

/// What the daemon did since its start.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Work {
    /// Changes of objects.
    pub changes: u64,
    /// Batches that they came in.
    pub batches: u64,
    /// Batches that policies may depend on, so that tables were compiled.
    pub compiles: u64,
    /// Writes to maps that followed.
    pub writes: u64,
    /// From the arrival of a batch's oldest change to its last write: how many took at most so many
    /// microseconds and longer than the one before, those that took longer than all under `null`.
    pub latency: Vec<(Option<u64>, u64)>,
    /// All those times together, in microseconds.
    pub latency_sum: u64,
    /// The longest of them, in microseconds.
    pub latency_longest: u64,
}

/// `Changes 12 in 3 batches, 2 compiled, 40 writes, in force after 1.2 ms on average, 3.4 ms at most`.
impl fmt::Display for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            changes,
            batches,
            compiles,
            writes,
            ..
        } = self;
        write!(
            f,
            "Changes {changes} in {batches} batches, {compiles} compiled, {writes} writes"
        )?;
        f.write_str(&self.in_words())
    }
}

impl Work {
    /// `, in force after 1.2 ms on average, 3.4 ms at most`; nothing where nothing changed.
    pub fn in_words(&self) -> String {
        let times: u64 = self.latency.iter().map(|(_, count)| count).sum();
        let Some(average) = self.latency_sum.checked_div(times) else {
            return String::new();
        };
        let milliseconds = |micros: u64| format!("{}.{} ms", micros / 1000, micros % 1000 / 100);
        let (average, longest) = (milliseconds(average), milliseconds(self.latency_longest));
        format!(", in force after {average} on average, {longest} at most")
    }
}

/// A map's fill.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fill {
    /// Entries in use.
    pub used: usize,
    /// Entries that fit.
    pub capacity: usize,
}

/// A pod of this node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndpointStatus {
    /// `namespace/name`.
    pub pod: String,
    /// Its addresses.
    pub addresses: Vec<IpAddr>,
    /// Names of the host's sides of its links, second networks' among them.
    pub links: Vec<String>,
    /// Policies that isolate it towards the pod.
    pub ingress: Vec<String>,
    /// Policies that isolate it from the pod.
    pub egress: Vec<String>,
    /// Why it is not enforced, or not at all of its links, when that is so.
    pub not_enforced: Option<String>,
}

/// A policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyStatus {
    /// `namespace/name`.
    pub policy: String,
    /// How many of this node's pods it selects.
    pub selected: usize,
    /// Pods that it selects but that are not enforced here, and why.
    pub not_enforced: BTreeMap<String, String>,
}
