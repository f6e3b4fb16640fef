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
mod direction;
mod object;
mod policy;
mod ports;
mod report;
mod rules;
mod selector;
mod text;
mod workloads;
mod yaml;

use std::collections::{BTreeMap, BTreeSet};

use enforcer_common::abi::Direction;
use enforcer_flows::{Filter, Verdict};
use enforcer_policy::model::Cluster;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::recorded::{Connection, Log, Lost, PassedOver, Seen};
pub use blocks::Widths;
pub use caveat::Caveat;
use demand::Demand;
pub use object::to_object;
pub use policy::{Policy, Remark};
pub use ports::{Port, PortName};
pub use report::Written;
pub use rules::{Peer, Rule};
pub use selector::Selector;
pub use workloads::{Heard, Workload, WorkloadKey, Workloads};
pub use yaml::write_yaml;

/// What is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Options {
    /// Policies for workloads with pods that these terms mean: see [`Filter::means`].
    #[serde(default)]
    pub filter: Filter,
    /// Policies for one direction alone.
    #[serde(default, with = "direction")]
    pub direction: Option<Direction>,
    /// What was denied is to be allowed too.
    #[serde(default)]
    pub include_denied: bool,
    /// Also for workloads at whose own pods nothing was recorded.
    #[serde(default)]
    pub all: bool,
    /// How addresses outside the cluster are joined.
    #[serde(default)]
    pub widths: Widths,
}

impl Options {
    /// Whether a policy is wanted for a workload.
    fn means(&self, workload: &Workload) -> bool {
        let mut pods = workload.pods.iter();
        pods.any(|(key, pod)| self.filter.means(&workload.party(key, pod)))
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
    /// How many have no policy because none of their pods is on a node that made records.
    pub elsewhere: usize,
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
    /// What daemons say that is not in the records.
    pub lost: Lost,
    /// Numbers that are missing between those of the records.
    pub missing: u64,
    /// How often a daemon began anew.
    pub restarts: u64,
}

/// Suggests policies. Without a cluster all that is known of pods is what the records say.
pub fn suggest(log: &Log, cluster: Option<&Cluster>, options: &Options) -> Suggestion {
    let nothing = Cluster::default();
    let known = cluster.unwrap_or(&nothing);
    let mut workloads = Workloads::new(known, log);
    workloads.choose(|one| options.means(one));
    let mut suggestion = Suggestion {
        basis: Basis::of(log),
        ..Suggestion::default()
    };
    if cluster.is_none() {
        suggestion.caveats.insert(Caveat::NoManifests);
    }
    for (node, why) in &log.lost.silent {
        let (node, why) = (node.clone(), why.clone());
        suggestion.caveats.insert(Caveat::NoAnswer { node, why });
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
    for workload in workloads.iter().filter(|one| one.chosen) {
        match workload.heard {
            heard if options.all || heard == Heard::Something => {
                suggestion.policies.extend(demand.policy(workload));
            }
            Heard::Elsewhere => suggestion.elsewhere += 1,
            _ => drop(suggestion.silent.insert(workload.key.clone())),
        }
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
            lost: log.lost.clone(),
            missing,
            restarts,
        }
    }

    /// Whether anything was not recorded, or is not among the records.
    pub fn is_partial(&self) -> bool {
        self.lost.count() + self.missing + self.restarts > 0
    }
}
