//! What lints ask of many objects, found without looking at all of them for each policy.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;

use enforcer_policy::intern::Name;
use enforcer_policy::model::{Cluster, Pod, PodKey, ServiceKey};
use enforcer_policy::rule::{Namespaces, PeerSelector, Peers, Protocol, Rule};
use enforcer_policy::selector::{LabelSelector, Test};
use enforcer_policy::service::Backend;

use super::Scene;

/// Services with the endpoints of one port.
pub(super) type Fronts = Rc<[(ServiceKey, Vec<Backend>)]>;

/// The pods of one namespace.
#[derive(Default)]
struct OfNamespace {
    /// By the labels that they have, each list sorted.
    labelled: HashMap<Name, HashMap<Name, Vec<PodKey>>>,
    host_network: Vec<PodKey>,
}

/// Lists of a cluster.
#[derive(Default)]
pub(super) struct Index {
    namespaces: HashMap<Name, OfNamespace>,
    /// For each name of a port the protocols of those that have it, each once, in the order of the
    /// pods.
    pub(super) port_names: BTreeMap<Name, Vec<Protocol>>,
    /// The pods that name a port of this number.
    listening: HashMap<u16, Vec<PodKey>>,
    /// The names that ports of this number have.
    names: HashMap<u16, BTreeSet<Name>>,
    /// The services that have endpoint slices.
    pub(super) sliced: BTreeSet<ServiceKey>,
    /// What was found of services, by their ports.
    pub(super) fronts: RefCell<HashMap<(Protocol, u16), Fronts>>,
}

impl Index {
    pub(super) fn new(cluster: &Cluster) -> Self {
        let mut index = Self::default();
        for (key, pod) in &cluster.pods {
            index.add(key, pod);
        }
        let slices = cluster.slices.values();
        index.sliced = slices.filter_map(|slice| slice.service.clone()).collect();
        index
    }

    fn add(&mut self, key: &PodKey, pod: &Pod) {
        let of_namespace = self.namespaces.entry(key.namespace.clone()).or_default();
        for (label, value) in &pod.labels {
            let values = of_namespace.labelled.entry(label.clone()).or_default();
            values.entry(value.clone()).or_default().push(key.clone());
        }
        if pod.host_network {
            of_namespace.host_network.push(key.clone());
        }
        for port in &pod.ports {
            let protocols = self.port_names.entry(port.name.clone()).or_default();
            if !protocols.contains(&port.protocol) {
                protocols.push(port.protocol);
            }
            self.listening
                .entry(port.port)
                .or_default()
                .push(key.clone());
            let names = self.names.entry(port.port).or_default();
            names.insert(port.name.clone());
        }
    }

    /// Whether any pod has a port of this name and number.
    pub(super) fn is_named(&self, number: u16, name: &str) -> bool {
        self.names
            .get(&number)
            .is_some_and(|names| names.contains(name))
    }

    /// Of the lists in which all pods with these labels are, the shortest, unless no label is given.
    fn shortest<'s>(
        &'s self,
        namespace: &str,
        labels: impl Iterator<Item = (&'s Name, &'s Name)>,
    ) -> Option<&'s [PodKey]> {
        let of_namespace = self.namespaces.get(namespace);
        let list = |(key, value): (&Name, &Name)| {
            let values = of_namespace.and_then(|found| found.labelled.get(key));
            let found = values.and_then(|values| values.get(value));
            found.map_or(&[][..], Vec::as_slice)
        };
        labels.map(list).min_by_key(|list| list.len())
    }
}

impl Scene<'_> {
    /// The pods of a namespace that a selector matches, sorted.
    pub(super) fn matching<'s>(
        &'s self,
        namespace: &'s str,
        selector: &'s LabelSelector,
    ) -> impl Iterator<Item = (&'s PodKey, &'s Pod)> {
        let requirements = selector.requirements.iter();
        let labels = requirements.filter_map(|one| match &one.test {
            Test::In(values) => match &values[..] {
                [value] => Some((&one.key, value)),
                _ => None,
            },
            Test::NotIn(_) | Test::Exists | Test::DoesNotExist => None,
        });
        self.with_labels(namespace, labels)
            .filter(|(_, pod)| selector.matches(&pod.labels))
    }

    /// Pods of a namespace, sorted, among which are all that have these labels.
    pub(super) fn with_labels<'s>(
        &'s self,
        namespace: &'s str,
        labels: impl Iterator<Item = (&'s Name, &'s Name)>,
    ) -> impl Iterator<Item = (&'s PodKey, &'s Pod)> {
        let listed = self.index.shortest(namespace, labels);
        let all = listed.is_none().then(|| self.pods_of(namespace));
        let listed = listed.into_iter().flatten();
        listed
            .filter_map(|key| self.cluster.pods.get_key_value(key))
            .chain(all.into_iter().flatten())
    }

    /// The pods of a namespace that share their node's network.
    pub(super) fn on_host_network(&self, namespace: &str) -> impl Iterator<Item = (&PodKey, &Pod)> {
        let of_namespace = self.index.namespaces.get(namespace).into_iter();
        let keys = of_namespace.flat_map(|found| &found.host_network);
        keys.filter_map(|key| self.cluster.pods.get_key_value(key))
    }

    /// Whether a pod is among those that the peers of a rule select; none is when the peers are
    /// everybody.
    pub(super) fn means(&self, rule: &Rule, key: &PodKey) -> bool {
        let (Peers::Of(peers), Some(pod)) = (&rule.peers, self.cluster.pods.get(key)) else {
            return false;
        };
        let labels = self.namespaces.get(key.namespace.as_str());
        pod.is_selectable()
            && peers.iter().any(|peer| match peer {
                PeerSelector::Block(_) => false,
                PeerSelector::Pods(selector) => {
                    let in_namespace = match &selector.namespaces {
                        Namespaces::Named(only) => *only == key.namespace,
                        Namespaces::Matching(wanted) => {
                            labels.is_some_and(|labels| wanted.matches(labels))
                        }
                    };
                    in_namespace && selector.pods.matches(&pod.labels)
                }
            })
    }

    /// Whether a pod that the peers of a rule select names a port of this number.
    pub(super) fn listens(&self, rule: &Rule, number: u16) -> bool {
        let mut pods = self.index.listening.get(&number).into_iter().flatten();
        pods.any(|key| self.means(rule, key))
    }
}
