//! What the daemon counts, for the metrics.

use std::collections::BTreeMap;

use enforcer_common::Reason;
use enforcer_common::abi::{Counter, Direction};
use jiff::Timestamp;

use super::Daemon;
use crate::datapath::denials::Unrecorded;
use crate::flow::enrich::name_of;
use crate::http::numbers::{Numbers, Watch, is_denial};
use crate::report::observed::Unenforced;

impl Daemon {
    pub(super) fn numbers(&self) -> Numbers {
        let observed = self.enforcement();
        let policies = observed.policies.values();
        let policies_not_enforced = policies.filter(|policy| !policy.not_enforced.is_empty());
        let faults = self.faults();
        let errors = self.problems.iter().filter(|problem| problem.is_error());
        let problems = errors.count() + faults.len();
        let stats = self.compiler.stats();
        Numbers {
            started: self.started,
            audit: self.options.datapath.audit,
            endpoints: self.endpoint_states(),
            isolated: self.isolated(),
            unfit: self.compiler.unfit().len() as u64,
            links: self.links(),
            policies: self.compiler.cluster().policies.len() as u64,
            policies_not_enforced: policies_not_enforced.count() as u64,
            policies_refused: self.refused_policies().len() as u64,
            identities: stats.identities as u64,
            policy_sets: stats.policy_sets as u64,
            revision: self.revision,
            maps: self.fill(),
            packets: self.counted_packets(),
            denials_unrecorded: self.all_unrecorded(),
            events_suppressed: self.suppressed(),
            records: self.tally.records().clone(),
            records_kept: self.flows.extent().kept as u64,
            by_policy: self.tally.by_policy(),
            displaced_flows: self.writer.maps().displaced_flows().ok(),
            synced: observed.synced,
            in_force: problems == 0,
            writes_failing: self.writer.broken().is_some(),
            problems: problems as u64,
            other_engines: self.others.len() as u64,
            watches: self.watches(),
            read_backs: self.read_back.passes,
            drift: self.read_back.repaired.clone(),
            export: self.exported.clone(),
            holds: self.waiters.len() as u64,
            refused_clients: self.strangers.count(),
            measures: self.measures.clone(),
        }
    }

    fn endpoint_states(&self) -> BTreeMap<&'static str, u64> {
        let states = ["enforced", "partly", "not_enforced", "pending"];
        let mut counts = BTreeMap::from(states.map(|state| (state, 0)));
        let mut count = |state| *counts.entry(state).or_default() += 1;
        for (key, pod) in self.own_pods().filter(|(_, pod)| !pod.host_network) {
            count(match self.why_not(key, pod) {
                None => "enforced",
                Some(Unenforced { wholly: false, .. }) => "partly",
                Some(Unenforced { wholly: true, .. }) => "not_enforced",
            });
        }
        for _ in self.writer.links().filter(|(pod, ..)| pod.is_none()) {
            count("pending");
        }
        counts
    }

    fn isolated(&self) -> BTreeMap<&'static str, u64> {
        let endpoints = || self.compiler.tables().endpoints.values();
        let isolated = |direction| {
            let isolated = endpoints().filter(|endpoint| endpoint.isolated(direction));
            isolated.count() as u64
        };
        let directions = Direction::ALL.into_iter();
        directions
            .map(|direction| (name_of(direction), isolated(direction)))
            .collect()
    }

    fn links(&self) -> BTreeMap<&'static str, u64> {
        let attached = self.writer.links().count() as u64;
        let failed = self.writer.failures().count() as u64;
        [("attached", attached), ("failed", failed)].into()
    }

    /// All counters, those too that are 0: what appears with its first packet has not grown for whoever
    /// looks at growth.
    fn counted_packets(&self) -> BTreeMap<(Direction, Reason), Counter> {
        let mut packets = BTreeMap::new();
        for hook in Direction::ALL {
            for reason in Reason::ALL {
                match self.writer.maps().counter(hook, *reason) {
                    Ok(counter) => drop(packets.insert((hook, *reason), counter)),
                    Err(error) => tracing::warn!(%error, "cannot read counters"),
                }
            }
        }
        packets
    }

    /// With 0 where there are none.
    fn all_unrecorded(&self) -> Unrecorded {
        let denials = || Reason::ALL.iter().filter(|reason| is_denial(**reason));
        let each = Direction::ALL
            .into_iter()
            .flat_map(|hook| denials().map(move |reason| ((hook, *reason), 0)));
        let mut all: Unrecorded = each.collect();
        all.extend(self.unrecorded());
        all
    }

    fn watches(&self) -> BTreeMap<&'static str, Watch> {
        let now = Timestamp::now();
        let behind: BTreeMap<_, _> = self.source.behind().into_iter().collect();
        let told = self.source.told().into_iter();
        told.map(|(kind, told)| {
            // What never was there has been away since the start.
            let since = behind.get(kind).map(|since| since.unwrap_or(self.started));
            let lasts = since.map_or(0., |since| now.duration_since(since).as_secs_f64());
            let watch = Watch {
                behind: lasts.max(0.),
                objects: told.objects,
                restarts: told.begun.saturating_sub(1),
            };
            (kind, watch)
        })
        .collect()
    }
}
