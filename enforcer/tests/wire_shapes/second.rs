//! Pods with more than one link.

use std::net::IpAddr;
use std::time::Duration;

use enforcer_lab::{Families, Pod, SecondLink, Shape, Wire};
use serde_json::{Value, json};

use crate::common::frames::{Link, ip, mark, udp};
use crate::common::live::Live;
use crate::common::{
    BRIDGE, LONG, Node, SHORT, app, connects, deny_all, eventually, ingress, pings, pod_object,
    policy, serve,
};
use crate::means::PORT;

const UDP: u8 = 17;

/// A node with pods that have a second link each, in one second network.
struct Multi {
    seconds: Vec<SecondLink>,
    pods: Vec<Pod>,
    node: Node,
}

impl Multi {
    fn new(shape: Shape, families: Families, names: &[&str]) -> Self {
        let node = Node::new(shape, families);
        let network = node.lab.add_network().unwrap();
        let pods: Vec<Pod> = names.iter().map(|name| node.pod(name)).collect();
        let plug = |pod| node.lab.plug(pod, &network, "net1").unwrap();
        Self {
            seconds: pods.iter().map(plug).collect(),
            pods,
            node,
        }
    }

    fn links(&self, pod: usize) -> [String; 2] {
        [&self.pods[pod].host_link, &self.seconds[pod].host_link].map(Clone::clone)
    }
}

/// Of the node's second network.
fn block(seconds: &[SecondLink]) -> Value {
    let blocks: Vec<Value> = seconds[0]
        .addresses
        .iter()
        .map(|address| match address {
            IpAddr::V4(v4) => {
                let [a, b, c, _] = v4.octets();
                json!({"ipBlock": {"cidr": format!("{a}.{b}.{c}.0/24")}})
            }
            IpAddr::V6(v6) => {
                let [a, b, c, d, ..] = v6.segments();
                json!({"ipBlock": {"cidr": format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")}})
            }
        })
        .collect();
    Value::Array(blocks)
}

/// A rule's peer: this address alone.
fn alone(address: &IpAddr) -> Value {
    let length = if address.is_ipv4() { 32 } else { 128 };
    json!({"ipBlock": {"cidr": format!("{address}/{length}")}})
}

fn policies_hold_on_all_links(shape: Shape) {
    let mut multi = Multi::new(shape, Families::Dual, &["db", "api", "web"]);
    let [db, api, web] = &multi.pods[..] else {
        unreachable!("three pods")
    };
    let second = multi.seconds.iter().map(|link| &link.addresses);
    let [db_second, api_second, web_second] = second.collect::<Vec<_>>()[..] else {
        unreachable!("three pods")
    };
    let _servers = [serve(db, PORT), serve(web, PORT), serve(api, PORT)];
    multi
        .node
        .put(&ingress("db", "db", &json!([{"from": [app("api")]}])));
    let spec = json!({
        "podSelector": {"matchLabels": {"app": "web"}},
        "policyTypes": ["Egress"], "egress": [{"to": [app("db")]}],
    });
    multi.node.put(&policy("web", &spec));
    for address in db_second.iter().chain(api_second) {
        connects(web, *address, PORT, true);
    }
    multi.node.start("");

    // Who a peer is follows from its addresses in the pods' own network alone.
    for (first, second) in db.addresses.iter().zip(db_second) {
        connects(api, *first, PORT, true);
        connects(web, *first, PORT, false);
        connects(api, *second, PORT, false);
        pings(api, *second, false);
        connects(&multi.node.lab.node, *second, PORT, true);
    }
    // From a pod that egress isolates.
    for address in api_second {
        connects(web, *address, PORT, false);
        connects(db, *address, PORT, true);
        pings(db, *address, true);
    }
    // And replies follow: nothing isolates web in that direction.
    for address in web_second {
        connects(api, *address, PORT, true);
    }
    let status = multi.node.status();
    let endpoint = status.endpoints.iter().find(|one| one.pod == "default/db");
    assert_eq!(endpoint.unwrap().links, multi.links(0));
    assert_eq!(endpoint.unwrap().not_enforced, None);
    assert_eq!(status.pending_links, [""; 0]);

    let rules = json!([{"from": [app("api")]}, {"from": block(&multi.seconds)}]);
    multi.node.put(&ingress("db", "db", &rules));
    multi.node.settle();
    for (first, second) in db.addresses.iter().zip(db_second) {
        connects(api, *second, PORT, true);
        connects(web, *first, PORT, false);
    }
    let spec = json!({
        "podSelector": {"matchLabels": {"app": "web"}},
        "policyTypes": ["Egress"], "egress": [{"to": block(&multi.seconds)}],
    });
    multi.node.put(&policy("web", &spec));
    multi.node.settle();
    for address in api_second {
        connects(web, *address, PORT, true);
    }
    multi.node.daemon.take();
}

#[test]
fn policies_hold_on_all_links_of_a_pod_with_ptp_links() {
    policies_hold_on_all_links(Shape::Ptp);
}

#[test]
fn policies_hold_on_all_links_of_a_pod_with_a_bridge() {
    policies_hold_on_all_links(BRIDGE);
}

#[test]
fn edits_cut_connections_by_the_second_link_and_restarts_do_not() {
    let mut multi = Multi::new(BRIDGE, Families::Dual, &["db", "api"]);
    let (db, api) = (&multi.pods[0], &multi.pods[1]);
    let _server = serve(db, PORT);
    let rules = json!([{"from": [app("api")]}, {"from": block(&multi.seconds)}]);
    multi.node.put(&ingress("db", "db", &rules));
    multi.node.start("");
    let addresses = db.addresses.iter().chain(&multi.seconds[0].addresses);
    let lives: Vec<Live> = addresses
        .map(|address| Live::open("api → db", api, *address, PORT))
        .collect();
    multi.node.daemon.take();
    multi.node.start("");
    lives.iter().for_each(Live::goes_on);
    multi
        .node
        .put(&ingress("db", "db", &json!([{"from": [app("api")]}])));
    multi.node.settle();
    lives[..2].iter().for_each(Live::goes_on);
    for live in &lives[2..] {
        live.is_cut_within(LONG);
    }
    multi.node.put(&deny_all());
    multi.node.put(&ingress("db", "db", &json!([])));
    multi.node.settle();
    for live in &lives {
        live.is_cut_within(LONG);
    }
}

#[test]
fn connections_outlive_a_daemon_also_where_the_second_link_was_there_first() {
    // Both ends' ports may be a client's, so nothing but the flow says who opened it.
    const HIGH: u16 = 50051;
    let mut multi = Multi::new(BRIDGE, Families::Dual, &["db", "api"]);
    let (db, api) = (&multi.pods[0], &multi.pods[1]);
    // The pods' own network is the one that they joined last.
    for (pod, link) in multi.pods.iter().zip(&multi.seconds) {
        let object = pod_object(&pod.name, &[("app", &pod.name)], &link.addresses);
        multi.node.put(&object);
    }
    let _server = serve(db, HIGH);
    multi.node.put(&deny_all());
    let first = api.addresses.iter().map(alone);
    let peers: Vec<Value> = first.chain([app("api")]).collect();
    multi
        .node
        .put(&ingress("db", "db", &json!([{"from": peers}])));
    let to = db.addresses.iter().chain(&multi.seconds[0].addresses);
    let blocks: Vec<Value> = to.clone().map(alone).collect();
    let spec = json!({
        "podSelector": {"matchLabels": {"app": "api"}},
        "policyTypes": ["Egress"], "egress": [{"to": blocks}],
    });
    multi.node.put(&policy("api", &spec));
    multi.node.start("");
    let lives: Vec<Live> = to
        .map(|address| Live::open("api → db", api, *address, HIGH))
        .collect();
    for _ in 0..2 {
        multi.node.daemon.take();
        multi.node.start("");
        lives.iter().for_each(Live::goes_on);
    }
}

/// Sends until it arrives or the time is over.
fn arrives(at: &Wire, mark: [u8; 8], expected: bool, send: impl Fn()) -> bool {
    const ONCE: Duration = Duration::from_millis(200);
    let patience = if expected { LONG } else { SHORT };
    let tries = patience.as_millis() / ONCE.as_millis();
    let is_it = |frame: &[u8]| frame.windows(8).any(|window| window == mark);
    (0..tries).any(|_| {
        send();
        at.receive(ONCE, is_it).unwrap().is_some()
    })
}

#[test]
fn each_link_of_a_pod_speaks_for_its_own_addresses() {
    let mut multi = Multi::new(BRIDGE, Families::Dual, &["db", "free", "held"]);
    multi.node.put(&ingress("held", "held", &json!([])));
    multi.node.start("");
    let target = &multi.seconds[0];
    let to = Wire::open(&multi.pods[0], &target.name).unwrap();
    for pod in [1, 2] {
        let (own, link) = (&multi.pods[pod], &multi.seconds[pod]);
        let wire = Link {
            wire: Wire::open(own, &link.name).unwrap(),
            far: to.mac,
        };
        let neighbour = &multi.seconds[3 - pod];
        for family in 0..2 {
            let sources = [
                (link.addresses[family], true),
                (own.addresses[family], false),
                (neighbour.addresses[family], false),
                (multi.pods[0].addresses[family], false),
            ];
            for (source, expected) in sources {
                let mark = mark();
                let payload = udp(4000, 53, &mark);
                let (ethertype, packet) = ip(source, target.addresses[family], UDP, &payload);
                let before = multi.node.packets("egress/spoofed");
                let seen = arrives(&to, mark, expected, || wire.send(ethertype, &packet));
                assert_eq!(seen, expected, "{} as {source}", own.name);
                assert_eq!(multi.node.packets("egress/spoofed") > before, !expected);
            }
        }
    }
}

#[test]
fn a_second_link_gets_its_address_and_another_one_while_the_daemon_runs() {
    let mut node = Node::new(BRIDGE, Families::V4);
    let network = node.lab.add_network().unwrap();
    let [db, api] = ["db", "api"].map(|name| node.pod(name));
    let _server = serve(&db, PORT);
    node.put(&ingress("api", "api", &json!([])));
    node.start("");
    let [to, link] = [&db, &api].map(|pod| node.lab.plug(pod, &network, "net1").unwrap());
    let target = to.addresses[0];
    eventually("the second link is the pod's", || {
        let endpoints = node.status().endpoints;
        endpoints.iter().all(|endpoint| endpoint.links.len() == 2)
    });
    connects(&api, target, PORT, true);
    api.ip(&format!("address delete {}/24 dev net1", link.addresses[0]))
        .unwrap();
    api.ip("address add 192.168.1.77/24 dev net1").unwrap();
    connects(&api, target, PORT, true);
    let spoofed = node.packets("egress/spoofed");
    api.ip("address add 192.168.1.78/24 dev net1").unwrap();
    let other = Some("192.168.1.78:0".parse().unwrap());
    let to = (target, PORT).into();
    let outcome =
        enforcer_lab::probe::reach(&api, other, to, enforcer_lab::Protocol::Tcp, SHORT).unwrap();
    assert_eq!(outcome, enforcer_lab::Outcome::Timeout);
    assert!(node.packets("egress/spoofed") > spoofed);
    connects(&api, target, PORT, true);
}

#[test]
fn a_pod_that_changes_its_own_address_does_not_get_rid_of_its_policies() {
    let mut node = Node::new(BRIDGE, Families::V4);
    let [db, api] = ["db", "api"].map(|name| node.pod(name));
    let _server = serve(&db, PORT);
    let target = db.v4().unwrap();
    node.put(&deny_all());
    node.put(&ingress("db", "db", &json!([{}])));
    // Whoever has it now.
    let new: IpAddr = "10.244.0.77".parse().unwrap();
    let change = |from: IpAddr, to: IpAddr| {
        api.ip(&format!("address delete {from}/24 dev eth0"))
            .unwrap();
        api.ip(&format!("address add {to}/24 dev eth0")).unwrap();
    };
    let own = api.v4().unwrap();
    change(own, new);
    connects(&api, target, PORT, true);
    change(new, own);
    node.start("");
    connects(&api, target, PORT, false);
    change(own, new);
    let spoofed = node.packets("egress/spoofed");
    eventually("the change is seen", || {
        node.settle();
        connects(&api, target, PORT, false);
        node.packets("egress/spoofed") > spoofed
    });
    assert_eq!(node.status().pending_links, [""; 0]);
    change(new, own);
    node.put(&policy(
        "api",
        &json!({"podSelector": {}, "policyTypes": ["Egress"], "egress": [{}]}),
    ));
    node.settle();
    connects(&api, target, PORT, true);
}
