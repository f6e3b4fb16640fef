//! The lab of a round: it follows the objects as a cluster would.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::rc::Rc;
use std::thread;
use std::time::{Duration, Instant};

use enforcer::api::client;
use enforcer_lab::proxy::{Mode, Proxy};
use enforcer_lab::{Cluster, Daemon, Families, Namespace};
use enforcer_policy::oracle::Objects;
use enforcer_testing::generate::wire;
use k8s_openapi::api::core::v1::Pod;
use nix::sys::signal::{self, Signal};
use nix::unistd::Pid;

use crate::addresses::{listed_addresses, own_addresses};
use crate::common::{BRIDGE, LONG, PROGRAM};
use crate::manifests::{addresses_of, key_of, manifests, node_of};
use crate::proxied;
use crate::serve::{Seen, Servers};
use crate::stage::Stage;

/// The first port of clients; the kernel's own choose among these and more.
pub(crate) const FIRST_CLIENT_PORT: u16 = 32_768;

/// Who a host is.
#[derive(Debug)]
pub(crate) enum Who {
    /// A pod, by namespace and name, of the node with this number.
    Pod(String, usize, enforcer_lab::Pod),
    /// The node with this number.
    Node(usize),
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
            Who::Pod(key, ..) => key.clone(),
            Who::Node(number) => format!("node {number}"),
            Who::Outside => "outside".to_owned(),
        }
    }

    /// Whether there is a program at its link.
    pub(crate) fn is_pod(&self) -> bool {
        matches!(self.who, Who::Pod(..))
    }

    /// Whether this is the pod's node, or the other way round.
    pub(crate) fn is_node_of(&self, other: &Self) -> bool {
        match (&self.who, &other.who) {
            (Who::Pod(_, node, _), Who::Node(number))
            | (Who::Node(number), Who::Pod(_, node, _)) => node == number,
            _ => false,
        }
    }
}

/// The lab of a round. What is made in it goes before it.
pub(crate) struct World {
    pub(crate) hosts: Vec<Host>,
    pub(crate) daemons: Vec<Daemon>,
    /// A proxy for each node.
    pub(crate) proxies: Vec<Proxy>,
    /// The addresses of each node's object.
    pub(crate) listed: Vec<Vec<IpAddr>>,
    pub(crate) cluster: Cluster,
    pub(crate) ports: Vec<u16>,
    pub(crate) stage: Stage,
    arguments: String,
    /// The manifests, by their files.
    files: BTreeMap<String, String>,
    seen: Rc<Seen>,
    next_port: u16,
}

impl World {
    /// Nodes without pods, which serve these ports, and a world with these addresses.
    pub(crate) fn new(
        stage: Stage,
        families: Families,
        mode: Mode,
        ports: Vec<u16>,
        outside: Vec<IpAddr>,
        seen: Rc<Seen>,
    ) -> Self {
        let cluster = Cluster::new(stage.nodes, stage.shape, families, stage.fabric).unwrap();
        let start = |at: &Namespace, who, addresses: Vec<IpAddr>| Host {
            who,
            servers: Servers::start(&seen, at, &addresses, &ports),
            addresses,
        };
        let (mut hosts, mut listed, mut proxies) = (Vec::new(), Vec::new(), Vec::new());
        for (number, node) in cluster.nodes.iter().enumerate() {
            let mut addresses = listed_addresses(&cluster, number);
            listed.push(addresses.clone());
            addresses.extend(own_addresses(node));
            proxies.push(Proxy {
                mode,
                pods: node.cluster_pods(),
                node: addresses.clone(),
                // On an unfiltered bridge a pod's answer never passes the rules that would
                // translate it back, in a real cluster too, unless it goes to the node.
                masquerade_all: stage.shape == BRIDGE,
                services: Vec::new(),
            });
            hosts.push(start(node, Who::Node(number), addresses));
            if stage.masquerade {
                node.masquerade().unwrap();
            }
        }
        for address in &outside {
            cluster
                .outside
                .ip(&format!("address add {address} dev lo"))
                .unwrap();
        }
        hosts.push(start(&cluster.outside, Who::Outside, outside));
        Self {
            hosts,
            daemons: Vec::new(),
            proxies,
            listed,
            cluster,
            files: BTreeMap::new(),
            ports,
            stage,
            arguments: String::new(),
            seen,
            next_port: FIRST_CLIENT_PORT,
        }
    }

    /// Starts a daemon on every node.
    pub(crate) fn start(&mut self, arguments: String) {
        self.arguments = arguments;
        for node in 0..self.cluster.nodes.len() {
            let daemon = self.launch(node);
            self.daemons.push(daemon);
        }
        for daemon in &self.daemons {
            daemon.wait_ready(LONG * 2).unwrap();
        }
    }

    fn launch(&self, node: usize) -> Daemon {
        let arguments = format!("--node n{} {}", node + 1, self.arguments);
        let node = &self.cluster.nodes[node];
        node.start(Path::new(PROGRAM), &arguments).unwrap()
    }

    /// Ends the daemon of a node; what is attached stays.
    pub(crate) fn stop(&self, node: usize, kill: bool) {
        let id = Pid::from_raw(self.daemons[node].id().cast_signed());
        let signal = if kill {
            Signal::SIGKILL
        } else {
            Signal::SIGTERM
        };
        signal::kill(id, signal).unwrap();
        let begin = Instant::now();
        // Whoever takes over must find nobody at the socket.
        while UnixStream::connect(self.daemons[node].socket()).is_ok() {
            assert!(begin.elapsed() < LONG, "the daemon does not end");
            thread::sleep(Duration::from_millis(2));
        }
    }

    /// Starts another daemon where one was stopped.
    pub(crate) fn restart(&mut self, node: usize) {
        self.daemons[node] = self.launch(node);
        self.daemons[node].wait_ready(LONG * 2).unwrap();
    }

    /// Where a host is.
    pub(crate) fn at<'a>(&'a self, host: &'a Host) -> &'a Namespace {
        match &host.who {
            Who::Pod(_, _, pod) => pod,
            Who::Node(number) => &self.cluster.nodes[*number],
            Who::Outside => &self.cluster.outside,
        }
    }

    /// Who has an address now.
    pub(crate) fn host_at(&self, address: IpAddr) -> Option<usize> {
        let mut hosts = self.hosts.iter();
        hosts.position(|host| host.addresses.contains(&address))
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
        self.translate(objects);
    }

    /// Tells the proxies about services.
    fn translate(&mut self, objects: &Objects) {
        let local = |node: usize, address: IpAddr| {
            let mut pods = objects.pods.iter();
            let is_it = |pod: &&Pod| {
                wire::is_linked(pod, usize::MAX) && addresses_of(pod).contains(&address)
            };
            pods.find(is_it).is_some_and(|pod| node_of(pod) == node)
        };
        for (number, proxy) in self.proxies.iter_mut().enumerate() {
            let is_local = |address| local(number, address);
            proxy.services = proxied::services(&objects.services, &objects.slices, is_local);
            proxy.apply(&self.cluster.nodes[number]).unwrap();
        }
    }

    fn place_pods(&mut self, objects: &Objects) {
        let nodes = self.cluster.nodes.len();
        let linked = objects
            .pods
            .iter()
            .filter(|pod| wire::is_linked(pod, nodes));
        let mut wanted: BTreeMap<String, (usize, Vec<IpAddr>)> = linked
            .map(|pod| (key_of(pod), (node_of(pod), addresses_of(pod))))
            .collect();
        let is_wanted = |host: &Host| match &host.who {
            Who::Pod(key, ..) => wanted.remove(key).is_some(),
            Who::Node(_) | Who::Outside => true,
        };
        let (kept, gone): (Vec<_>, Vec<_>) = self.hosts.drain(..).partition(is_wanted);
        self.hosts = kept;
        if gone.is_empty() && wanted.is_empty() {
            return;
        }
        for host in gone {
            drop(host.servers);
            if let Who::Pod(_, node, pod) = host.who {
                self.cluster.nodes[node].remove_pod(pod).unwrap();
            }
        }
        for (key, (node, addresses)) in wanted {
            let name = key.replace('/', "_");
            let pod = self.cluster.nodes[node]
                .add_pod_with(&name, &addresses)
                .unwrap();
            self.hosts.push(Host {
                servers: Servers::start(&self.seen, &pod, &addresses, &self.ports),
                who: Who::Pod(key, node, pod),
                addresses,
            });
        }
        // A CNI plugin announces the new owner of an address.
        for host in &self.hosts {
            self.at(host)
                .ip("neighbor flush nud reachable nud stale nud delay nud probe")
                .unwrap();
        }
    }

    fn write(&mut self, objects: &Objects) {
        let files = manifests(objects);
        for (name, text) in &files {
            if self.files.get(name) != Some(text) {
                self.cluster.write_manifest(name, text).unwrap();
            }
        }
        for name in self.files.keys().filter(|name| !files.contains_key(*name)) {
            std::fs::remove_file(self.cluster.manifests().join(name)).unwrap();
        }
        self.files = files;
    }

    /// Waits until every daemon says that all of this is in force. Fails with their own words.
    pub(crate) fn settle(&self) -> Result<(), String> {
        let begin = Instant::now();
        for number in 0..self.daemons.len() {
            loop {
                let missing = self.missing(number);
                if missing.is_empty() {
                    break;
                }
                if begin.elapsed() > LONG {
                    return Err(format!("node {number}: {missing}"));
                }
                thread::sleep(Duration::from_millis(20));
            }
        }
        Ok(())
    }

    fn missing(&self, node: usize) -> String {
        let socket = self.cluster.nodes[node].home().join("socket");
        let Ok(status) = client::status(&socket, true) else {
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
            Who::Pod(key, number, _) if *number == node => Some(key.as_str()),
            _ => None,
        });
        let missing: Vec<&str> = pods.filter(|pod| !enforced.contains(pod)).collect();
        if missing.is_empty() {
            String::new()
        } else {
            format!("not enforced: {}", missing.join(", "))
        }
    }
}
