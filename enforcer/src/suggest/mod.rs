//! The least network policies that allow what was seen.
//!
//! ```text
//! records ─→ recorded::Log ─┐
//!                           ├→ demand: who needs what ─→ rules: joined ─→ policy ─→ YAML, objects
//! manifests ─→ workloads ───┘
//! ```
//!
//! A policy is one workload's. It can tell pods apart as far as their labels do, and what it cannot tell
//! is said ([`Caveat`]). No I/O, no clock: the same input gives the same bytes.

mod blocks;
mod caveat;
mod demand;
mod object;
mod policy;
mod ports;
mod rules;
mod selector;
mod text;
mod workloads;
mod yaml;

use std::collections::{BTreeMap, BTreeSet};

use enforcer_common::abi::Direction;
use enforcer_flows::Verdict;
use enforcer_policy::model::Cluster;
use jiff::Timestamp;

use crate::recorded::{Connection, Log, PassedOver, Seen};
pub use blocks::Widths;
pub use caveat::Caveat;
use demand::Demand;
pub use object::to_object;
pub use policy::{Policy, Remark};
pub use ports::{Port, PortName};
pub use rules::{Peer, Rule};
pub use selector::Selector;
pub use workloads::{Workload, WorkloadKey, Workloads};
pub use yaml::write_yaml;

/// What is asked for.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Policies for workloads of these namespaces alone; of all where none is named.
    pub namespaces: Vec<String>,
    /// Policies for these workloads alone, `KIND/NAME` or `NAME`; for all where none is named.
    pub workloads: Vec<String>,
    /// Policies for one direction alone.
    pub direction: Option<Direction>,
    /// What was denied is to be allowed too.
    pub include_denied: bool,
    /// Also for workloads at whose own pods nothing was recorded.
    pub all: bool,
    /// How addresses outside the cluster are joined.
    pub widths: Widths,
}

impl Options {
    fn means(&self, workload: &WorkloadKey) -> bool {
        let named = |name: &String| match name.split_once('/') {
            Some((kind, name)) => {
                kind.eq_ignore_ascii_case(&workload.kind) && workload.name == *name
            }
            None => workload.name == *name,
        };
        (self.namespaces.is_empty() || self.namespaces.iter().any(|one| workload.namespace == *one))
            && (self.workloads.is_empty() || self.workloads.iter().any(named))
    }

    fn directions(&self) -> impl Iterator<Item = Direction> {
        let wanted = self.direction;
        let both = [Direction::Ingress, Direction::Egress];
        both.into_iter()
            .filter(move |one| wanted.is_none_or(|wanted| wanted == *one))
    }
}

/// What is suggested.
#[derive(Clone, Debug, Default)]
pub struct Suggestion {
    /// The policies, by workload.
    pub policies: Vec<Policy>,
    /// What could not be told, so that the policies allow more or less than was seen.
    pub caveats: BTreeSet<Caveat>,
    /// What was denied, and is not allowed by the policies on that account.
    pub denied: BTreeMap<Connection, Seen>,
    /// Workloads without a policy, because nothing was recorded at their own pods.
    pub silent: BTreeSet<WorkloadKey>,
    /// What it rests on.
    pub basis: Basis,
}

/// What a suggestion rests on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Basis {
    /// Records that were read.
    pub records: u64,
    /// The time of the first and the last of them.
    pub span: Option<(Timestamp, Timestamp)>,
    /// Connections that count, those that differ in nothing but the client's port taken together.
    pub connections: usize,
    /// Records that do not count, by why.
    pub passed_over: BTreeMap<PassedOver, u64>,
    /// Records that a daemon could not hand out any more.
    pub missed: u64,
    /// New flows that a daemon's programs did not report.
    pub suppressed: u64,
    /// Numbers that are missing between those of the records.
    pub missing: u64,
    /// How often a daemon began anew.
    pub restarts: u64,
}

/// Suggests policies. Without a cluster all that is known of pods is what the records say.
pub fn suggest(log: &Log, cluster: Option<&Cluster>, options: &Options) -> Suggestion {
    let nothing = Cluster::default();
    let known = cluster.unwrap_or(&nothing);
    let workloads = Workloads::new(known, log);
    let mut suggestion = Suggestion {
        basis: Basis::of(log),
        ..Suggestion::default()
    };
    if cluster.is_none() {
        suggestion.caveats.insert(Caveat::NoManifests);
    }
    let mut demand = Demand::new(&workloads, (known, cluster.is_some()), options);
    for (connection, seen) in &log.connections {
        let counts = seen.verdict() == Verdict::Allowed || options.include_denied;
        if counts {
            suggestion.basis.connections += 1;
            demand.add(connection, seen);
        } else {
            suggestion.denied.insert(connection.clone(), seen.clone());
        }
    }
    for workload in workloads.iter().filter(|one| options.means(&one.key)) {
        if !options.all && !workload.is_heard() {
            suggestion.silent.insert(workload.key.clone());
            continue;
        }
        suggestion.policies.extend(demand.policy(workload));
    }
    suggestion.caveats.append(&mut demand.caveats);
    suggestion
}

impl Basis {
    fn of(log: &Log) -> Self {
        let (missing, restarts) = log.gaps();
        Self {
            records: log.records,
            span: log.span,
            connections: 0,
            passed_over: log.passed_over.clone(),
            missed: log.missed,
            suppressed: log.suppressed,
            missing,
            restarts,
        }
    }
}
