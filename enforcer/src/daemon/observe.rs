//! What the daemon tells to those who report: to the API server, to probes and to Prometheus.

use std::collections::{BTreeMap, BTreeSet};

use enforcer_common::abi::Direction;
use enforcer_policy::intern::Name;
use enforcer_policy::model::{Pod, PodKey};
use enforcer_policy::rule::{Policy, PolicyKey, PolicyKind};

use tokio::sync::mpsc;

use super::report::HOST_NETWORK;
use super::{Daemon, Reports};
use crate::api::server::Question;
use crate::datapath::matching::Missing;
use crate::http::health::Health;
use crate::report::observed::{Observed, PolicyName, Unenforced};
use crate::report::rendezvous::rank;
use crate::report::{self, Pace, Tasks};

/// How many nodes tell of a policy that is refused: all of them refuse it, and one may have no
/// daemon.
const TELLERS: usize = 2;

impl Daemon {
    /// Starts telling the API server what is enforced, where objects come from one.
    pub(super) async fn report_to_api_server(
        &self,
        questions: mpsc::Sender<Question>,
    ) -> Option<Tasks> {
        let Reports { objects, events } = self.options.reports;
        if !objects && !events {
            return None;
        }
        let (client, node) = self.client().await?;
        match client {
            Ok(client) => {
                let options = report::Options {
                    node: node.to_owned(),
                    objects,
                    events,
                    pace: Pace::default(),
                };
                let (changed, counters) = (self.changes.subscribe(), self.reports.clone());
                Some(report::start(client, options, questions, changed, counters))
            }
            Err(error) => {
                tracing::error!(%error, "no reports; policies are enforced all the same");
                None
            }
        }
    }

    /// What this node makes of the policies that select its pods.
    pub(super) fn enforcement(&self) -> Observed {
        let mut observed = Observed {
            synced: self.source.is_synced(),
            audit: self.options.datapath.audit,
            refused: self.refused(),
            ..Observed::default()
        };
        for (key, pod) in self.own_pods() {
            let why = self.why_not(key, pod);
            for policy in self.policies_of(key, pod) {
                let Some(namespace) = policy.key.namespace.clone() else {
                    continue;
                };
                let name = PolicyName {
                    namespace: namespace.into(),
                    name: policy.key.name.to_string(),
                };
                let entry = observed.policies.entry(name).or_default();
                entry.version.clone_from(&policy.version);
                entry.pods.insert(key.clone());
                if let Some(why) = &why {
                    entry.not_enforced.insert(key.clone(), why.clone());
                }
            }
        }
        observed
    }

    /// The policies that are refused, of those that it falls to this node to tell of.
    fn refused(&self) -> BTreeMap<PolicyName, String> {
        let mut refused = BTreeMap::new();
        let Some(me) = &self.options.node else {
            return refused;
        };
        for problem in self.problems.iter().filter(|problem| problem.is_error()) {
            let object = problem.object.as_deref().unwrap_or_default();
            let name = object.strip_prefix("NetworkPolicy ");
            let Some((namespace, name)) = name.and_then(|name| name.split_once('/')) else {
                continue;
            };
            let nodes = self.compiler.cluster().nodes.keys();
            if rank(object, me, nodes) < TELLERS {
                let name = PolicyName {
                    namespace: namespace.to_owned(),
                    name: name.to_owned(),
                };
                refused.insert(name, problem.message.clone());
            }
        }
        refused
    }

    /// The pods of this node that have an address, those in the node's own network included. Where
    /// the node has no name, those that are not found are other nodes'.
    pub(super) fn own_pods(&self) -> impl Iterator<Item = (&PodKey, &Pod)> {
        let pods = &self.compiler.cluster().pods;
        let node = &self.options.node;
        let own = self.matcher.pods().iter();
        let own = own.filter(|(_, addresses)| !addresses.is_empty());
        let elsewhere = |key: &PodKey| {
            let missing = self.matcher.matching().missing.get(key);
            node.is_none() && matches!(missing, Some(Missing::NotFound(_)))
        };
        let own = own.filter(move |(key, _)| !elsewhere(key));
        let own = own.filter_map(|(key, _)| Some((key, pods.get(key)?)));
        let host = pods.iter().filter(move |(_, pod)| {
            pod.host_network && node.is_some() && pod.node.as_deref() == node.as_deref()
        });
        own.chain(host).filter(|(_, pod)| !pod.terminated)
    }

    /// The policies that select a pod. The compiler knows them of every pod that policies apply to.
    fn policies_of(&self, key: &PodKey, pod: &Pod) -> Vec<&Policy> {
        let policies = &self.compiler.cluster().policies;
        if pod.is_selectable() {
            let both = Direction::ALL.map(|direction| self.compiler.isolating(key, direction));
            let names: BTreeSet<PolicyKey> = both.into_iter().flatten().collect();
            let selecting = names.iter().filter_map(|name| policies.get(name));
            return selecting.map(|policy| &**policy).collect();
        }
        let first = PolicyKey {
            kind: PolicyKind::NetworkPolicy,
            namespace: Some(key.namespace.clone()),
            name: Name::default(),
        };
        policies
            .range(first..)
            .take_while(|(policy, _)| policy.namespace.as_ref() == Some(&key.namespace))
            .map(|(_, policy)| &**policy)
            .filter(|policy| {
                let mut rules = policy.rules.iter();
                rules.any(|rule| self.selects(&rule.subject, key, pod))
            })
            .collect()
    }

    /// Why policies do not hold for a pod of this node, or are not what they say.
    pub(super) fn why_not(&self, key: &PodKey, pod: &Pod) -> Option<Unenforced> {
        let wholly = |why: String| Some(Unenforced { why, wholly: true });
        if pod.host_network {
            return wholly(HOST_NETWORK.to_owned());
        }
        if let Some(why) = self.not_enforced(key) {
            let mut links = self.writer.links();
            let wholly = !links.any(|(pod, ..)| pod == Some(key));
            return Some(Unenforced { why, wholly });
        }
        if let Some(why) = self.compiler.unfit().get(key) {
            return wholly(format!("it denies everything: {why}"));
        }
        let why = self.writer.broken()?;
        wholly(format!(
            "a map write failed, and where a policy isolates it everything is denied until it succeeds: {why}"
        ))
    }

    /// The names of the cluster's nodes.
    pub(super) fn nodes(&self) -> BTreeSet<String> {
        self.compiler.cluster().nodes.keys().cloned().collect()
    }

    /// The names of its namespaces, those too that are known by their pods alone.
    pub(super) fn namespaces(&self) -> BTreeSet<String> {
        let cluster = self.compiler.cluster();
        let described = cluster.namespaces.keys().cloned();
        let pods = cluster.pods.keys().map(|key| key.namespace.to_string());
        described.chain(pods).collect()
    }

    pub(super) fn health(&self) -> Health {
        Health {
            synced: self.source.is_synced(),
            broken: self.writer.broken().map(ToOwned::to_owned),
        }
    }
}
