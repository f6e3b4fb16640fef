//! The lab of a round: it follows the objects as a cluster would.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use enforcer_lab::{Families, Namespace, Pod, Shape};
use enforcer_policy::oracle::Objects;
use enforcer_testing::generate::wire;
use k8s_openapi::Metadata;
use k8s_openapi::api::core::v1 as api;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::Value;

use crate::common::{LONG, Node, file_name};
use crate::serve::{Seen, Servers};

/// The first port of clients; the kernel's own choose among these and more.
const FIRST_CLIENT_PORT: u16 = 32_768;

/// Who a host is.
#[derive(Debug)]
pub(crate) enum Who {
    /// A pod of the node, by namespace and name.
    Pod(String, Pod),
    /// The node itself.
    Node,
    /// The world outside, other nodes and their pods.
    Outside,
}

/// Somebody who asks and is asked.
#[derive(Debug)]
pub(crate) struct Host {
    pub(crate) who: Who,
    pub(crate) addresses: Vec<IpAddr>,
    pub(crate) servers: Servers,
}

impl Host {
    /// Of a pod: namespace and name.
    pub(crate) fn name(&self) -> String {
        match &self.who {
            Who::Pod(key, _) => key.clone(),
            Who::Node => "the node".to_owned(),
            Who::Outside => "outside".to_owned(),
        }
    }
}

/// The lab of a round.
pub(crate) struct World {
    pub(crate) hosts: Vec<Host>,
    pub(crate) node: Node,
    /// The manifests, by their files.
    pub(crate) files: BTreeMap<String, String>,
    pub(crate) ports: Vec<u16>,
    seen: Rc<Seen>,
    next_port: u16,
}

impl World {
    /// A node without pods, which serves these ports, and a world with these addresses.
    pub(crate) fn new(
        shape: Shape,
        families: Families,
        ports: Vec<u16>,
        outside: Vec<IpAddr>,
        seen: Rc<Seen>,
    ) -> Self {
        let node = Node::new(shape, families);
        let own: Vec<IpAddr> = [(Families::V6, false), (Families::V4, true)]
            .into_iter()
            .filter(|(without, _)| families != *without)
            .map(|(_, v6)| wire::node_address(0, v6))
            .collect();
        for address in &own {
            node.lab.add_node_address(*address).unwrap();
        }
        for address in &outside {
            node.lab.add_outside(*address).unwrap();
        }
        let host = |who, at, addresses: Vec<IpAddr>| Host {
            who,
            servers: Servers::start(&seen, at, &addresses, &ports),
            addresses,
        };
        let hosts = vec![
            host(Who::Node, &node.lab.node, own),
            host(Who::Outside, &node.lab.outside, outside),
        ];
        Self {
            hosts,
            node,
            files: BTreeMap::new(),
            ports,
            seen,
            next_port: FIRST_CLIENT_PORT,
        }
    }

    /// Where a host is.
    pub(crate) fn at<'a>(&'a self, host: &'a Host) -> &'a Namespace {
        match &host.who {
            Who::Pod(_, pod) => pod,
            Who::Node => &self.node.lab.node,
            Who::Outside => &self.node.lab.outside,
        }
    }

    /// Who has an address now.
    pub(crate) fn host_at(&self, address: IpAddr) -> Option<usize> {
        let mut hosts = self.hosts.iter();
        hosts.position(|host| host.addresses.contains(&address))
    }

    /// Whether there is a program at the host's link.
    pub(crate) fn is_pod(&self, host: usize) -> bool {
        matches!(self.hosts[host].who, Who::Pod(..))
    }

    /// A client's port that nobody had in this round.
    pub(crate) fn fresh_port(&mut self) -> u16 {
        let port = self.next_port;
        self.next_port = port.checked_add(1).unwrap();
        port
    }

    /// Makes pods and manifests what the objects say. Whether links or manifests come first is
    /// the caller's choice.
    pub(crate) fn follow(&mut self, objects: &Objects, links_first: bool) {
        if links_first {
            self.place_pods(objects);
        }
        self.write(objects);
        if !links_first {
            self.place_pods(objects);
        }
    }

    fn place_pods(&mut self, objects: &Objects) {
        let linked = objects.pods.iter().filter(|pod| wire::is_linked(pod, 1));
        let mut wanted: BTreeMap<String, Vec<IpAddr>> =
            linked.map(|pod| (key_of(pod), addresses_of(pod))).collect();
        let (kept, gone): (Vec<_>, Vec<_>) =
            self.hosts.drain(..).partition(|host| match &host.who {
                Who::Pod(key, _) => wanted.remove(key).is_some(),
                Who::Node | Who::Outside => true,
            });
        self.hosts = kept;
        if gone.is_empty() && wanted.is_empty() {
            return;
        }
        for host in gone {
            drop(host.servers);
            if let Who::Pod(_, pod) = host.who {
                self.node.lab.remove_pod(pod).unwrap();
            }
        }
        for (key, addresses) in wanted {
            let name = key.replace('/', ".");
            let pod = self.node.lab.add_pod_with(&name, &addresses).unwrap();
            self.hosts.push(Host {
                servers: Servers::start(&self.seen, &pod, &addresses, &self.ports),
                who: Who::Pod(key, pod),
                addresses,
            });
        }
        // A CNI plugin announces the new owner of an address.
        for host in &self.hosts {
            self.at(host).ip("neighbor flush all").unwrap();
        }
    }

    fn write(&mut self, objects: &Objects) {
        let files = manifests(objects);
        for (name, text) in &files {
            if self.files.get(name) != Some(text) {
                self.node.lab.write_manifest(name, text).unwrap();
            }
        }
        for name in self.files.keys().filter(|name| !files.contains_key(*name)) {
            std::fs::remove_file(self.node.lab.manifests().join(name)).unwrap();
        }
        self.files = files;
    }

    /// Waits until the daemon says that all of this is in force. Fails with its own words.
    pub(crate) fn settle(&self) -> Result<(), String> {
        let begin = Instant::now();
        loop {
            let missing = self.missing();
            if missing.is_empty() {
                return Ok(());
            }
            if begin.elapsed() > LONG {
                return Err(missing);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn missing(&self) -> String {
        let status = enforcer::api::client::status(&self.node.socket(), true);
        let Ok(status) = status else {
            return "the daemon does not answer".to_owned();
        };
        if !status.in_force || !status.problems.is_empty() {
            let lines = status.problems.iter().chain(&status.faults);
            let lines: Vec<&str> = lines.map(String::as_str).collect();
            return format!("not in force: {}", lines.join("; "));
        }
        let enforced: BTreeSet<&str> = status
            .endpoints
            .iter()
            .filter(|endpoint| endpoint.not_enforced.is_none() && endpoint.links.len() == 1)
            .map(|endpoint| endpoint.pod.as_str())
            .collect();
        let pods = self.hosts.iter().filter_map(|host| match &host.who {
            Who::Pod(key, _) => Some(key.as_str()),
            Who::Node | Who::Outside => None,
        });
        let missing: Vec<&str> = pods.filter(|pod| !enforced.contains(pod)).collect();
        if missing.is_empty() {
            String::new()
        } else {
            format!("not enforced: {}", missing.join(", "))
        }
    }
}

/// The manifests of objects, one for each.
pub(crate) fn manifests(objects: &Objects) -> BTreeMap<String, String> {
    let nodes = objects.nodes.iter().map(serde_json::to_value);
    let namespaces = objects.namespaces.iter().map(serde_json::to_value);
    let pods = objects.pods.iter().map(serde_json::to_value);
    let policies = objects.policies.iter().map(serde_json::to_value);
    nodes
        .chain(namespaces)
        .chain(pods)
        .chain(policies)
        .map(|object| {
            let object: Value = object.unwrap();
            (file_name(&object), object.to_string())
        })
        .collect()
}

/// `namespace/name`.
pub(crate) fn key_of<T: Metadata<Ty = ObjectMeta>>(object: &T) -> String {
    let metadata = object.metadata();
    let namespace = metadata.namespace.as_deref().unwrap_or("default");
    format!(
        "{namespace}/{}",
        metadata.name.as_deref().unwrap_or_default()
    )
}

fn addresses_of(pod: &api::Pod) -> Vec<IpAddr> {
    let status = pod.status.iter();
    let ips = status.flat_map(|status| status.pod_ips.iter().flatten());
    ips.map(|ip| ip.ip.parse().unwrap()).collect()
}
