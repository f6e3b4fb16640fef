//! The daemon's state as a [`Status`].

use std::collections::BTreeMap;
use std::sync::PoisonError;

use enforcer_common::Reason;
use enforcer_common::abi::{Counter, Direction};
use enforcer_policy::model::{Pod, PodKey};
use enforcer_policy::rule::{PodSelector, Policy};

use super::{Daemon, capacity};
use crate::api::Status;
use crate::api::status::{EndpointStatus, Fill, PolicyStatus};
use crate::datapath::denials::Unrecorded;
use crate::flow::enrich::name_of;

/// Why no policy holds for a pod in its node's network.
pub(super) const HOST_NETWORK: &str =
    "it shares the node's network (hostNetwork), where pods cannot be told apart";

impl Daemon {
    pub(super) fn status(&self) -> Status {
        let problems: Vec<String> = self.problems.iter().map(ToString::to_string).collect();
        let faults = self.faults();
        let stats = self.compiler.stats();
        Status {
            in_force: faults.is_empty()
                && !self
                    .problems
                    .iter()
                    .any(crate::source::problem::Problem::is_error),
            synced: self.source.is_synced(),
            node: self.options.node.clone(),
            mode: if self.options.datapath.audit {
                "audit"
            } else {
                "enforce"
            }
            .to_owned(),
            pending: if self.options.datapath.pending_deny {
                "deny"
            } else {
                "allow"
            }
            .to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            endpoints: self.endpoints(),
            pending_links: self
                .writer
                .links()
                .filter(|link| link.0.is_none())
                .map(|link| link.2.to_owned())
                .collect(),
            policies: self.policies(),
            other_engines: self.others.iter().map(ToString::to_string).collect(),
            problems,
            faults,
            reports: self.reports.trouble(),
            identities: stats.identities,
            policy_sets: stats.policy_sets,
            maps: self.fill(),
            packets: self.packets(),
            events_suppressed: self.suppressed(),
            denials_unrecorded: named(&self.unrecorded()),
            drift_repaired: self.drift_repaired(),
            work: self.measures.as_work(),
            about: self.about(),
            source: self.source_status(),
            refused: self.refused_policies(),
            flows: self.flow_status(),
            recent: self.recent(),
            cni: self.cni_status(),
            refused_clients: self.strangers.count(),
        }
    }

    pub(super) fn faults(&self) -> Vec<String> {
        let mut faults = self.source.faults();
        faults.extend(self.no_node());
        if let Some(why) = self.writer.broken() {
            faults.push(format!(
                "a map write failed, isolated endpoints deny everything until it succeeds: {why}"
            ));
        }
        if let Some(why) = &self.scan_failure {
            faults.push(format!("cannot look for links: {why}"));
        }
        for (ifindex, pod, why) in self.writer.failures() {
            let pod = pod.map_or("an unknown pod".to_owned(), ToString::to_string);
            faults.push(format!("link {ifindex} of {pod}: {why}"));
        }
        for (pod, why) in self.compiler.unfit() {
            faults.push(format!("{pod} denies everything: {why}"));
        }
        faults
    }

    /// Without its Node object the pods of this node are those of a name that nobody has.
    fn no_node(&self) -> Option<String> {
        let name = self.options.node.as_ref()?;
        let told = !self.source.is_read_on_demand() && self.source.is_synced();
        (told && !self.compiler.cluster().nodes.contains_key(name)).then(|| {
            format!(
                "the cluster has no Node {name}: check --node (or NODE_NAME) against `kubectl get nodes`"
            )
        })
    }

    fn endpoints(&self) -> Vec<EndpointStatus> {
        let mut links: BTreeMap<&PodKey, Vec<String>> = BTreeMap::new();
        for (pod, _, name, _) in self.writer.links() {
            if let Some(pod) = pod {
                links.entry(pod).or_default().push(name.to_owned());
            }
        }
        let matching = self.matcher.matching();
        let here = matching.links.keys().chain(matching.missing.keys());
        let pods: std::collections::BTreeSet<&PodKey> = here.collect();
        pods.into_iter()
            .map(|pod| EndpointStatus {
                pod: pod.to_string(),
                addresses: self
                    .compiler
                    .cluster()
                    .pods
                    .get(pod)
                    .map(|pod| pod.addresses.clone())
                    .unwrap_or_default(),
                links: links.get(pod).cloned().unwrap_or_default(),
                ingress: self.isolating(pod, Direction::Ingress),
                egress: self.isolating(pod, Direction::Egress),
                not_enforced: self.not_enforced(pod),
            })
            .collect()
    }

    fn isolating(&self, pod: &PodKey, direction: Direction) -> Vec<String> {
        self.compiler
            .isolating(pod, direction)
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    /// Why a pod of this node is not enforced, or not at all of its links.
    pub(super) fn not_enforced(&self, pod: &PodKey) -> Option<String> {
        let failed = || {
            self.writer
                .failures()
                .find(|(_, owner, _)| *owner == Some(pod))
                .map(|(_, _, why)| why.to_owned())
        };
        self.matcher.matching().not_enforced(pod).or_else(failed)
    }

    fn policies(&self) -> Vec<PolicyStatus> {
        let told = self.told_of();
        let policies = self.compiler.cluster().policies.values();
        policies.map(|policy| self.policy(policy, &told)).collect()
    }

    /// The pods, sorted, of which policies tell something: those of this node, and those in the network
    /// of theirs. The others are most of the cluster and are looked at once, not for every policy.
    fn told_of(&self) -> Vec<(&PodKey, &Pod)> {
        let here = |key| {
            self.matcher.matching().links.contains_key(key)
                || self.matcher.matching().missing.contains_key(key)
        };
        let pods = self.compiler.cluster().pods.iter();
        pods.filter(|(key, pod)| pod.host_network || here(key) && !pod.terminated)
            .collect()
    }

    fn policy(&self, policy: &Policy, told: &[(&PodKey, &Pod)]) -> PolicyStatus {
        let mut status = PolicyStatus {
            policy: policy.key.to_string(),
            selected: 0,
            not_enforced: BTreeMap::new(),
        };
        for (key, pod) in candidates(policy, told) {
            let mut rules = policy.rules.iter();
            if !rules.any(|rule| self.selects(&rule.subject, key, pod)) {
                continue;
            }
            if pod.host_network {
                let why = HOST_NETWORK.to_owned();
                status.not_enforced.insert(key.to_string(), why);
            } else {
                status.selected += 1;
                if let Some(why) = self.not_enforced(key) {
                    status.not_enforced.insert(key.to_string(), why);
                }
            }
        }
        status
    }

    pub(super) fn selects(&self, subject: &PodSelector, key: &PodKey, pod: &Pod) -> bool {
        subject.selects(self.compiler.cluster(), key, pod)
    }

    pub(super) fn fill(&self) -> BTreeMap<String, Fill> {
        let tables = self.compiler.tables();
        let capacity = capacity(&self.options.datapath);
        let maps = [
            ("ADDRESSES", tables.addresses.len(), capacity.addresses),
            ("CIDRS", tables.cidrs.len(), capacity.cidrs),
            ("VERDICTS", tables.verdicts.len(), capacity.verdicts),
            ("PORTS", tables.ports.len(), capacity.ports),
        ];
        maps.into_iter()
            .map(|(name, used, capacity)| (name.to_owned(), Fill { used, capacity }))
            .collect()
    }

    pub(super) fn packets(&self) -> BTreeMap<String, u64> {
        let mut packets = BTreeMap::new();
        for hook in Direction::ALL {
            for reason in Reason::ALL {
                match self.writer.maps().counter(hook, *reason) {
                    Ok(counter) if counter.packets > 0 => {
                        packets.insert(
                            format!("{}/{}", name_of(hook), reason.name()),
                            counter.packets,
                        );
                    }
                    Ok(_) => {}
                    Err(error) => tracing::warn!(%error, "cannot read counters"),
                }
            }
        }
        packets
    }

    fn drift_repaired(&self) -> BTreeMap<String, u64> {
        let repaired = self.read_back.repaired.iter();
        repaired
            .filter(|(_, count)| **count > 0)
            .map(|(map, count)| ((*map).to_owned(), *count))
            .collect()
    }

    /// Events of new flows that were not sent, and denials without a record.
    pub(super) fn suppressed(&self) -> BTreeMap<String, u64> {
        let mut suppressed = BTreeMap::from(["denied", "audit"].map(|name| (name.to_owned(), 0)));
        if let Ok(count) = self.writer.maps().suppressed() {
            suppressed.insert("allowed".to_owned(), count);
        }
        for ((_, reason), count) in self.unrecorded() {
            let kind = if reason == Reason::AuditDenied {
                "audit"
            } else {
                "denied"
            };
            *suppressed.entry(kind.to_owned()).or_default() += count;
        }
        suppressed
    }

    /// Denials without a record, by hook and reason.
    pub(super) fn unrecorded(&self) -> Unrecorded {
        let counted = self.unrecorded.lock();
        let mut counted = counted.unwrap_or_else(PoisonError::into_inner).clone();
        for (hook, reason) in Counter::NEVER_REPORTED {
            match self.writer.maps().counter(hook, reason) {
                Ok(counter) if counter.packets > 0 => {
                    counted.insert((hook, reason), counter.packets);
                }
                Ok(_) => {}
                Err(error) => tracing::warn!(%error, "cannot read counters"),
            }
        }
        counted
    }
}

/// By `direction/reason`.
fn named(counts: &Unrecorded) -> BTreeMap<String, u64> {
    let named = counts
        .iter()
        .map(|((hook, reason), count)| (format!("{}/{}", name_of(*hook), reason.name()), *count));
    named.collect()
}

/// Of these pods, sorted, those that a policy may select: those of its namespace, when it has one.
fn candidates<'a, 'b>(
    policy: &Policy,
    pods: &'b [(&'a PodKey, &'a Pod)],
) -> &'b [(&'a PodKey, &'a Pod)] {
    let Some(namespace) = &policy.key.namespace else {
        return pods;
    };
    let begin = pods.partition_point(|(key, _)| key.namespace < *namespace);
    let length = pods[begin..].partition_point(|(key, _)| key.namespace == *namespace);
    &pods[begin..begin + length]
}
