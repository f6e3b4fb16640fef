//! Connections through services, whose addresses kube-proxy translates.

use std::net::{IpAddr, SocketAddr};

use enforcer_lab::proxy::{Backend, Mode, Proxy, Service, ServicePort};
use enforcer_lab::{Families, Pod, Protocol, Shape};
use serde_json::{Value, json};

use crate::common::{Node, SHORT, app, policy};
use crate::talk::{SIDES, Side, Talk};
use crate::world::{are_cut, go_on};

/// Ports of client, service and backend: as usual, and with the client and the server exchanged.
const PORTS: [[u16; 3]; 2] = [[40_000, 80, 8080], [600, 40_080, 40_090]];

/// A service in front of one pod.
fn service(number: u8, backend: &Pod) -> Service {
    let port = |protocol, port, target| ServicePort {
        name: format!("{protocol:?}-{port}").to_lowercase(),
        protocol,
        port,
        node_port: None,
        backends: backend
            .addresses
            .iter()
            .map(|address| Backend {
                to: SocketAddr::new(*address, target),
                ready: true,
                local: true,
            })
            .collect(),
    };
    Service {
        name: format!("default/{}", backend.name),
        cluster_ips: addresses(number).to_vec(),
        ports: PORTS
            .iter()
            .flat_map(|[_, at, target]| {
                [Protocol::Tcp, Protocol::Udp].map(|protocol| port(protocol, *at, *target))
            })
            .collect(),
        ..Service::default()
    }
}

fn addresses(number: u8) -> [IpAddr; 2] {
    [
        IpAddr::from([10, 96, 0, number]),
        IpAddr::from([0xfd00, 0x96, 0, 0, 0, 0, 0, u16::from(number)]),
    ]
}

fn manifest(service: &Service) -> Value {
    let name = service.name.trim_start_matches("default/");
    let ports: Vec<Value> = service
        .ports
        .iter()
        .map(|port| {
            let protocol = format!("{:?}", port.protocol).to_uppercase();
            let target = port.backends[0].to.port();
            json!({"name": port.name, "port": port.port, "protocol": protocol,
                "targetPort": target})
        })
        .collect();
    json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": name},
        "spec": {
            "clusterIP": service.cluster_ips[0], "clusterIPs": service.cluster_ips,
            "ipFamilyPolicy": "RequireDualStack", "ipFamilies": ["IPv4", "IPv6"],
            "selector": {"app": name}, "ports": ports,
        },
    })
}

/// Connections through a service, half of them for each side to speak first.
fn open_all(client: &Pod, number: u8, backend: &Pod) -> Vec<(Side, Talk)> {
    let mut talks = Vec::new();
    let families = client.addresses.iter().zip(&backend.addresses);
    for ((own, to), through) in families.zip(addresses(number)) {
        for [source, port, target] in PORTS {
            for (turn, side) in (0..).zip(SIDES) {
                let from = (&**client, *own, source + turn + 10 * u16::from(number));
                let through = SocketAddr::new(through, port);
                let to = (&**backend, *to, target);
                talks.push((side, Talk::tcp_through(from, through, to)));
            }
        }
    }
    talks
}

/// A client of two services, each with one pod behind it.
struct World {
    node: Node,
    client: Pod,
    pods: [Pod; 2],
}

fn world() -> World {
    let mut node = Node::new(Shape::Ptp, Families::Dual);
    let [client, good, bad] = ["client", "good", "bad"].map(|name| node.pod(name));
    let pods = [good, bad];
    let services = [service(1, &pods[0]), service(2, &pods[1])];
    for service in &services {
        node.put(&manifest(service));
    }
    let proxy = Proxy {
        mode: Mode::Nftables,
        pods: node.lab.cluster_pods(),
        node: node.lab.node_addresses(),
        masquerade_all: false,
        services: services.to_vec(),
    };
    proxy.apply(&node.lab.node).unwrap();
    node.start("");
    World { node, client, pods }
}

#[test]
fn a_client_that_becomes_isolated_keeps_its_connections_to_backends_that_it_may_reach() {
    let World { node, client, pods } = world();
    let mut to_good = open_all(&client, 1, &pods[0]);
    let mut to_bad = open_all(&client, 2, &pods[1]);
    node.put(&policy(
        "client",
        &json!({
            "podSelector": {"matchLabels": {"app": "client"}},
            "policyTypes": ["Ingress", "Egress"], "egress": [{"to": [app("good")]}],
        }),
    ));
    node.settle();
    go_on(&mut to_good);
    // The client sees what comes back under the service's address; the table knows whose it is.
    are_cut(&mut to_bad);
    go_on(&mut to_good);
}

#[test]
fn a_backend_that_becomes_isolated_keeps_the_connections_of_clients_that_may_reach_it() {
    let World { node, client, pods } = world();
    let mut to_good = open_all(&client, 1, &pods[0]);
    let mut to_bad = open_all(&client, 2, &pods[1]);
    for (name, rules) in [
        ("good", json!([{"from": [app("client")]}])),
        ("bad", json!([])),
    ] {
        node.put(&policy(
            name,
            &json!({
                "podSelector": {"matchLabels": {"app": name}},
                "policyTypes": ["Ingress", "Egress"], "ingress": rules,
            }),
        ));
    }
    node.settle();
    go_on(&mut to_good);
    are_cut(&mut to_bad);
}

#[test]
fn an_exchange_through_a_service_that_was_not_answered_yet_goes_on_if_it_may() {
    let World { node, client, pods } = world();
    let [_, port, target] = PORTS[1];
    let open = |number, backend: &Pod| {
        let from = (&*client, client.v4().unwrap(), 4000 + u16::from(number));
        let through = SocketAddr::new(addresses(number)[0], port);
        Talk::udp_through(from, through, (&**backend, backend.v4().unwrap(), target))
    };
    let (mut to_good, mut to_bad) = (open(1, &pods[0]), open(2, &pods[1]));
    node.put(&policy(
        "client",
        &json!({
            "podSelector": {"matchLabels": {"app": "client"}},
            "policyTypes": ["Ingress", "Egress"], "egress": [{"to": [app("good")]}],
        }),
    ));
    node.settle();
    to_good.goes_on(Side::Other);
    for side in [Side::Other, Side::Opener] {
        assert!(!to_bad.carries(side, SHORT), "{}", to_bad.name);
    }
    to_good.goes_on(Side::Opener);
}
