//! A node with a daemon, a proxy and services.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::ops::{Deref, DerefMut};
use std::thread;

use enforcer_flows::Record;
use enforcer_lab::probe::reach;
use enforcer_lab::proxy::{Mode, Proxy};
use enforcer_lab::{Families, Namespace, Outcome, Pod, Protocol, Server, Shape};
use serde_json::{Value, json};

use crate::common::{BRIDGE, FILTERED_BRIDGE, LONG, Node, SHORT, policy};
use crate::proxied;

/// Where services listen.
pub(crate) const PORT: u16 = 80;
/// Where their backends do.
pub(crate) const TARGET: u16 = 8080;
/// The port of a service at the node's addresses.
pub(crate) const NODE_PORT: u16 = 30_080;

const SHAPES: [Shape; 3] = [Shape::Ptp, BRIDGE, FILTERED_BRIDGE];
const MODES: [Mode; 2] = [Mode::Nftables, Mode::Iptables];

/// Both protocols that all services here have.
pub(crate) const BOTH: [Protocol; 2] = [Protocol::Tcp, Protocol::Udp];

/// A node with a daemon, a proxy and services.
pub(crate) struct World {
    node: Node,
    proxy: Proxy,
    /// Services and slices by the names of their files.
    objects: BTreeMap<String, Value>,
}

impl Deref for World {
    type Target = Node;

    fn deref(&self) -> &Node {
        &self.node
    }
}

impl DerefMut for World {
    fn deref_mut(&mut self) -> &mut Node {
        &mut self.node
    }
}

/// Runs a test in every mode and shape.
pub(crate) fn everywhere(test: impl Fn(&mut World)) {
    for mode in MODES {
        for shape in SHAPES {
            println!("{mode:?}, {shape:?}");
            test(&mut World::new(shape, mode));
        }
    }
}

impl World {
    /// A world with the proxy's rules and without a daemon.
    pub(crate) fn new(shape: Shape, mode: Mode) -> Self {
        let node = Node::new(shape, Families::Dual);
        let proxy = Proxy {
            mode,
            pods: node.lab.cluster_pods(),
            node: node.lab.node_addresses(),
            // On an unfiltered bridge a pod's answer never passes the rules that would translate
            // it back, in a real cluster too, unless it goes to the node.
            masquerade_all: shape == BRIDGE,
            services: Vec::new(),
        };
        proxy.apply(&node.lab.node).unwrap();
        Self {
            node,
            proxy,
            objects: BTreeMap::new(),
        }
    }

    /// Whether `to_pod` sees the node's address for everything that comes by a cluster address.
    pub(crate) fn masquerades_all(&self) -> bool {
        self.proxy.masquerade_all
    }

    /// Puts services or slices, for the daemon and the proxy.
    pub(crate) fn serve_objects(&mut self, objects: impl IntoIterator<Item = Value>) {
        for object in objects {
            self.node.put(&object);
            self.objects
                .insert(crate::common::file_name(&object), object);
        }
        self.apply();
    }

    fn apply(&mut self) {
        let of_kind = |kind: &str| {
            let objects = self
                .objects
                .values()
                .filter(|object| object["kind"] == kind);
            objects.cloned().collect::<Vec<Value>>()
        };
        let services = serde_json::from_value(of_kind("Service").into()).unwrap();
        let slices = serde_json::from_value(of_kind("EndpointSlice").into()).unwrap();
        let services: Vec<_> = services;
        let slices: Vec<_> = slices;
        let pods = self.node.lab.cluster_pods();
        let is_local = |address: IpAddr| pods.iter().any(|subnet| subnet.contains(&address));
        self.proxy.services = proxied::services(&services, &slices, is_local);
        self.proxy.apply(&self.node.lab.node).unwrap();
    }

    /// Makes these the ready backends of a service.
    pub(crate) fn backends(&mut self, service: &str, pods: &[&Pod]) {
        let addresses: Vec<IpAddr> = pods.iter().flat_map(|pod| pod.addresses.clone()).collect();
        self.serve_objects(slices(service, &addresses, TARGET, true));
    }

    /// A service with these ready backends.
    pub(crate) fn service(&mut self, name: &str, number: u8, pods: &[&Pod]) {
        self.serve_objects([service(name, number, &json!({}))]);
        self.backends(name, pods);
    }

    /// What the daemon says about denied packets.
    pub(crate) fn denials(&self) -> Vec<Record> {
        let output = self.verb(&["flows", "--output", "json", "--verdict", "denied"]);
        assert_eq!(output.status.code(), Some(0));
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }
}

/// The addresses of a service.
pub(crate) fn cluster_ips(number: u8) -> [IpAddr; 2] {
    [
        format!("10.96.0.{number}"),
        format!("fd00:10:96::{number:x}"),
    ]
    .map(|text| text.parse().unwrap())
}

/// Port 80 of a service's addresses.
pub(crate) fn at(number: u8) -> [SocketAddr; 2] {
    cluster_ips(number).map(|address| SocketAddr::new(address, PORT))
}

/// A service whose port 80 is its backends' 8080 by TCP and UDP, with more in its `spec`.
pub(crate) fn service(name: &str, number: u8, more: &Value) -> Value {
    let addresses = cluster_ips(number);
    let port = |name: &str, protocol: &str| json!({"name": name, "protocol": protocol, "port": PORT, "targetPort": TARGET});
    let mut spec = json!({
        "clusterIP": addresses[0], "clusterIPs": addresses,
        "ipFamilyPolicy": "RequireDualStack", "ipFamilies": ["IPv4", "IPv6"],
        "selector": {"service": name},
        "ports": [port("tcp", "TCP"), port("udp", "UDP")],
    });
    for (key, value) in more.as_object().unwrap() {
        spec[key] = value.clone();
    }
    json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec})
}

/// A service that is at a port of the node too.
pub(crate) fn node_port_service(name: &str, number: u8, node_port: u16) -> Value {
    let mut service = service(name, number, &json!({"type": "NodePort"}));
    for port in 0..2 {
        service["spec"]["ports"][port]["nodePort"] = json!(node_port);
    }
    service
}

/// The slices of a service, one of each family, with the same port for TCP and UDP.
pub(crate) fn slices(service: &str, addresses: &[IpAddr], port: u16, ready: bool) -> Vec<Value> {
    let slice = |family: &str, v4: bool| {
        let of_family = addresses.iter().filter(|address| address.is_ipv4() == v4);
        let endpoints: Vec<Value> = of_family
            .map(|address| json!({"addresses": [address], "conditions": {"ready": ready}}))
            .collect();
        let name = format!("{service}-{}", family.to_lowercase());
        json!({
            "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
            "metadata": {"name": name, "labels": {"kubernetes.io/service-name": service}},
            "addressType": family, "endpoints": endpoints,
            "ports": [
                {"name": "tcp", "protocol": "TCP", "port": port},
                {"name": "udp", "protocol": "UDP", "port": port},
            ],
        })
    };
    vec![slice("IPv4", true), slice("IPv6", false)]
}

/// A policy that isolates the pods with `app: SUBJECT` from them, with these rules.
pub(crate) fn egress(name: &str, subject: &str, rules: &Value) -> Value {
    let spec = json!({
        "podSelector": {"matchLabels": {"app": subject}},
        "policyTypes": ["Egress"], "egress": rules,
    });
    policy(name, &spec)
}

/// The ports of a rule: this one by TCP and UDP.
pub(crate) fn ports(port: &Value) -> Value {
    json!([{"protocol": "TCP", "port": port}, {"protocol": "UDP", "port": port}])
}

/// Servers for both protocols.
pub(crate) fn serve_both(at: &Namespace, port: u16) -> [Server; 2] {
    BOTH.map(|protocol| Server::start(at, protocol, port).unwrap())
}

/// What a client sees, by a protocol.
#[track_caller]
pub(crate) fn gets(from: &Namespace, to: SocketAddr, protocol: Protocol, wanted: Outcome) {
    let outcome = get(from, (to, protocol), wanted);
    let from = from.path().display();
    assert_eq!(outcome, wanted, "{from} → {to} by {protocol:?}");
}

/// The same by both protocols and at all of these places, at a time.
#[track_caller]
pub(crate) fn all_get(from: &Namespace, to: &[SocketAddr], wanted: Outcome) {
    let ways = to
        .iter()
        .flat_map(|to| BOTH.map(|protocol| (*to, protocol)));
    let found: Vec<_> = thread::scope(|scope| {
        let threads: Vec<_> = ways
            .map(|way| (way, scope.spawn(move || get(from, way, wanted))))
            .collect();
        threads
            .into_iter()
            .map(|(way, thread)| (way, thread.join().unwrap()))
            .collect()
    });
    let wrong: Vec<_> = found
        .iter()
        .filter(|(_, outcome)| *outcome != wanted)
        .collect();
    let from = from.path().display();
    assert!(wrong.is_empty(), "{from}: not {wanted:?}: {wrong:?}");
}

/// Waits for long only for what is wanted.
fn get(from: &Namespace, (to, protocol): (SocketAddr, Protocol), wanted: Outcome) -> Outcome {
    let patience = if wanted == Outcome::Timeout {
        SHORT
    } else {
        LONG
    };
    reach(from, None, to, protocol, patience).unwrap()
}
