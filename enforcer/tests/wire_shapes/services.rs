//! Services whose backends are on another node: the sender's policy is asked for the real
//! destination, on the sender's node, before the packet leaves it.

use std::net::{IpAddr, SocketAddr};

use enforcer_common::abi::Direction;
use enforcer_flows::{Record, Verdict};
use enforcer_lab::probe::{tcp_connect, udp_ask};
use enforcer_lab::proxy::{Backend, Mode, Proxy, Service, ServicePort};
use enforcer_lab::{Fabric, Families, Outcome, Pod, Protocol, Server, Shape};
use serde_json::{Value, json};

use crate::common::live::Live;
use crate::common::{FILTERED_BRIDGE, LONG, SHORT, app, connects, eventually, ingress, policy};
use crate::world::World;

/// The services' port, and the backends'.
const PORT: u16 = 80;
const TARGET: u16 = 8080;

/// The services' addresses by number.
fn cluster_ips(number: u8) -> [IpAddr; 2] {
    [
        IpAddr::from([10, 96, 0, number]),
        IpAddr::from([0xfd00, 0x10, 0x96, 0, 0, 0, 0, number.into()]),
    ]
}

/// A client on node 0; backends that its policy allows and forbids, on both nodes.
struct Shop {
    client: Pod,
    good: [Pod; 2],
    bad: [Pod; 2],
    world: World,
}

/// A service for TCP and UDP with the backends of some pods, as node `viewer` sees it.
fn service(number: u8, backends: &[(usize, &Pod)], viewer: usize) -> Service {
    let port = |protocol: Protocol| ServicePort {
        name: format!("{protocol:?}").to_lowercase(),
        protocol,
        port: PORT,
        node_port: None,
        backends: backends
            .iter()
            .flat_map(|(node, pod)| pod.addresses.iter().map(move |address| (node, address)))
            .map(|(node, address)| Backend {
                to: SocketAddr::new(*address, TARGET),
                ready: true,
                local: *node == viewer,
            })
            .collect(),
    };
    Service {
        name: format!("default/{number}"),
        cluster_ips: cluster_ips(number).to_vec(),
        ports: [Protocol::Tcp, Protocol::Udp].map(port).to_vec(),
        ..Service::default()
    }
}

/// The same for the daemons.
fn manifests(number: u8, backends: &[(usize, &Pod)]) -> Vec<Value> {
    let name = format!("service-{number}");
    let ports = |key: &str, port: u16| {
        ["tcp", "udp"].map(|name| {
            let mut object = json!({"name": name, "protocol": name.to_uppercase()});
            object[key] = json!(port);
            object
        })
    };
    let own = cluster_ips(number);
    let mut objects = vec![json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": name},
        "spec": {"clusterIP": own[0], "clusterIPs": own, "ports": ports("port", PORT)},
    })];
    for (family, kind) in ["IPv4", "IPv6"].into_iter().enumerate() {
        let endpoints: Vec<Value> = backends
            .iter()
            .map(|(node, pod)| {
                json!({
                    "addresses": [pod.addresses[family]], "conditions": {"ready": true},
                    "nodeName": format!("node{node}"),
                    "targetRef": {"kind": "Pod", "name": pod.name, "namespace": "default"},
                })
            })
            .collect();
        objects.push(json!({
            "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
            "metadata": {
                "name": format!("{name}-{}", kind.to_lowercase()),
                "labels": {"kubernetes.io/service-name": name},
            },
            "addressType": kind, "endpoints": endpoints, "ports": ports("port", TARGET),
        }));
    }
    objects
}

const GOOD: u8 = 11;
const BAD: u8 = 12;
const MIXED: u8 = 13;
const NEAR: u8 = 14;

impl Shop {
    fn new(shape: Shape, fabric: Fabric, mode: Mode, masquerade_all: bool) -> Self {
        let world = World::new(shape, Families::Dual, fabric);
        let shop = Self {
            client: world.pod(0, "client"),
            good: [0, 1].map(|number| world.pod(number, "good")),
            bad: [0, 1].map(|number| world.pod(number, "bad")),
            world,
        };
        let services: [(u8, Vec<(usize, &Pod)>); 4] = [
            (GOOD, vec![(1, &shop.good[1])]),
            (BAD, vec![(1, &shop.bad[1])]),
            (MIXED, vec![(1, &shop.good[1]), (1, &shop.bad[1])]),
            (NEAR, vec![(0, &shop.good[0]), (0, &shop.bad[0])]),
        ];
        for (viewer, node) in shop.world.cluster.nodes.iter().enumerate() {
            let proxy = Proxy {
                mode,
                pods: ["10.244.0.0/14", "fd00:10:244::/46"]
                    .map(|text| text.parse().unwrap())
                    .to_vec(),
                node: node.addresses(),
                masquerade_all,
                services: services
                    .iter()
                    .map(|(number, backends)| service(*number, backends, viewer))
                    .collect(),
            };
            proxy.apply(node).unwrap();
            node.masquerade().unwrap();
        }
        for (number, backends) in &services {
            for object in manifests(*number, backends) {
                shop.world.put(&object);
            }
        }
        shop.allow("good");
        shop
    }

    /// The client may speak to these pods alone, at their own port.
    fn allow(&self, peer: &str) {
        let ports = ["TCP", "UDP"].map(|protocol| json!({"port": TARGET, "protocol": protocol}));
        let spec = json!({
            "podSelector": {"matchLabels": {"app": "client"}},
            "policyTypes": ["Egress"], "egress": [{"to": [app(peer)], "ports": ports}],
        });
        self.world.put(&policy("client", &spec));
    }

    /// Whether both protocols reach a service, at both of its addresses.
    fn reaches(&self, number: u8, expected: bool) {
        for address in cluster_ips(number) {
            connects(&self.client, address, PORT, expected);
            let patience = if expected { LONG } else { SHORT };
            let to = SocketAddr::new(address, PORT);
            let outcome = udp_ask(&self.client, to, patience).unwrap();
            let wanted = if expected {
                Outcome::Connected
            } else {
                Outcome::Timeout
            };
            assert_eq!(outcome, wanted, "UDP to {address}");
        }
    }

    /// Tries new connections until some were made and some were not.
    fn reaches_by_chance(&self, number: u8) {
        for address in cluster_ips(number) {
            let to = SocketAddr::new(address, PORT);
            let mut seen = [0, 0];
            while seen.contains(&0) && seen.iter().sum::<i32>() < 60 {
                match tcp_connect(&self.client, to, SHORT).unwrap() {
                    Outcome::Connected => seen[0] += 1,
                    Outcome::Timeout => seen[1] += 1,
                    other => panic!("{address}: {other:?}"),
                }
            }
            assert!(!seen.contains(&0), "{address}: {seen:?}");
        }
    }

    /// What a node's daemon tells of denied connections.
    fn denied(&self, node: usize) -> Vec<Record> {
        let daemon = self.world.daemons[node].as_ref().unwrap();
        let text = daemon.ask(&["flows", "--verdict", "denied", "--output", "json"]);
        let lines = text.unwrap();
        lines
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }
}

fn serve(pods: &[Pod; 2]) -> Vec<Server> {
    let mut servers = Vec::new();
    for pod in pods {
        for protocol in [Protocol::Tcp, Protocol::Udp] {
            servers.push(Server::start(pod, protocol, TARGET).unwrap());
        }
    }
    servers
}

/// How often each server was asked, once it has counted what the kernel has accepted for it.
fn settled(servers: &[Server]) -> Vec<usize> {
    let counts = || -> Vec<usize> { servers.iter().map(Server::served).collect() };
    let mut last = counts();
    loop {
        std::thread::sleep(SHORT);
        let now = counts();
        if now == last {
            return now;
        }
        last = now;
    }
}

fn the_real_backend_decides(shape: Shape, fabric: Fabric, mode: Mode, masquerade_all: bool) {
    let mut shop = Shop::new(shape, fabric, mode, masquerade_all);
    let (_good, bad) = (serve(&shop.good), serve(&shop.bad));
    // All backends are reached while nobody is there to deny it.
    for number in [GOOD, BAD, MIXED, NEAR] {
        shop.reaches(number, true);
    }
    let before = settled(&bad);
    assert!(before[2] > 0 && before[3] > 0, "{before:?}");
    shop.world.start();
    shop.reaches(GOOD, true);
    shop.reaches(BAD, false);
    shop.reaches_by_chance(MIXED);
    shop.reaches_by_chance(NEAR);
    // Not one packet got through, and they were stopped at the sender's node.
    assert_eq!(before, settled(&bad));
    assert!(shop.world.packets(0, "egress/policy-denied") > 0);
    assert_eq!(shop.world.packets(1, "egress/policy-denied"), 0);
    assert_eq!(shop.world.packets(1, "ingress/policy-denied"), 0);
    assert_eq!(shop.world.packets(0, "egress/undecided"), 0);
    eventually("the denial is told with the real destination", || {
        shop.denied(0).iter().any(|record| {
            record.verdict() == Verdict::Denied
                && record.direction == Direction::Egress
                && record.is_at("default/client-0")
                && record.destination.is_pod("default/bad-1")
                && record.destination.port == Some(TARGET)
        })
    });
}

#[test]
fn backends_on_another_node_by_vxlan_with_nftables() {
    the_real_backend_decides(FILTERED_BRIDGE, Fabric::Vxlan, Mode::Nftables, false);
}

#[test]
fn backends_on_another_node_by_vxlan_with_iptables_masqueraded() {
    the_real_backend_decides(FILTERED_BRIDGE, Fabric::Vxlan, Mode::Iptables, true);
}

#[test]
fn backends_on_another_node_by_routes_with_iptables() {
    the_real_backend_decides(Shape::Ptp, Fabric::HostGateway, Mode::Iptables, false);
}

#[test]
fn backends_on_another_node_by_routes_with_nftables_masqueraded() {
    the_real_backend_decides(FILTERED_BRIDGE, Fabric::HostGateway, Mode::Nftables, true);
}

#[test]
fn backends_on_another_node_with_calicos_links() {
    the_real_backend_decides(Shape::Calico, Fabric::HostGateway, Mode::Nftables, false);
}

#[test]
fn the_backends_own_policy_sees_the_source_that_arrives() {
    for masquerade_all in [false, true] {
        let fabric = Fabric::Vxlan;
        let mut shop = Shop::new(FILTERED_BRIDGE, fabric, Mode::Nftables, masquerade_all);
        let _servers = serve(&shop.good);
        let from_client = json!([{"from": [app("client")]}]);
        shop.world.put(&ingress("good", "good", &from_client));
        shop.world.start();
        shop.reaches(GOOD, !masquerade_all);
        let counter = "ingress/policy-denied";
        assert_eq!(shop.world.packets(1, counter) > 0, masquerade_all);
        assert_eq!(shop.world.packets(0, "egress/policy-denied"), 0);
        // Masqueraded, it comes with the address of the sender's node.
        let blocks: Vec<Value> = shop
            .world
            .node(0)
            .tunnel_addresses()
            .iter()
            .map(|address| {
                let length = if address.is_ipv4() { 32 } else { 128 };
                json!({"ipBlock": {"cidr": format!("{address}/{length}")}})
            })
            .collect();
        let from_node = json!([{"from": blocks}]);
        shop.world.put(&ingress("good", "good", &from_node));
        shop.world.settle();
        shop.reaches(GOOD, masquerade_all);
    }
}

#[test]
fn edits_and_restarts_hold_for_connections_by_services() {
    let mut shop = Shop::new(FILTERED_BRIDGE, Fabric::Vxlan, Mode::Nftables, false);
    let _servers = serve(&shop.good);
    let open = |address| Live::open("client → service", &shop.client, address, PORT);
    let before: Vec<Live> = cluster_ips(GOOD).map(open).into_iter().collect();
    shop.world.start();
    before.iter().for_each(Live::goes_on);
    let open = |address| Live::open("client → service, new", &shop.client, address, PORT);
    let after: Vec<Live> = cluster_ips(GOOD).map(open).into_iter().collect();
    for number in [0, 1] {
        drop(shop.world.daemons[number].take());
        before.iter().chain(&after).for_each(Live::goes_on);
        shop.world.start();
        before.iter().chain(&after).for_each(Live::goes_on);
    }
    shop.allow("bad");
    shop.world.settle();
    for live in before.iter().chain(&after) {
        live.is_cut_within(LONG);
    }
    shop.reaches(GOOD, false);
}
