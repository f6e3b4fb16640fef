//! Frames that no ordinary socket sends.

use std::net::IpAddr;
use std::time::Duration;

use crate::common::frames::{IPV6, Link, ip, mark, udp};
use crate::common::{BRIDGE, LONG, Node, SHORT, app, deny_all, eventually, ingress, policy};
use enforcer::datapath::frame::{self, Ipv6};
use enforcer_lab::{Families, Pod, Shape, Wire, raw};
use serde_json::json;

const UDP: u8 = 17;
const ICMP: u8 = 1;
// IPv6 extension headers.
const HOP_BY_HOP: u8 = 0;
const ROUTING: u8 = 43;
const DESTINATION: u8 = 60;

/// Sends until it arrives or the time is over.
fn arrives(to: &Link, mark: [u8; 8], expected: bool, send: impl Fn()) -> bool {
    const ONCE: Duration = Duration::from_millis(200);
    let patience = if expected { LONG } else { SHORT };
    let tries = patience.as_millis() / ONCE.as_millis();
    (0..tries).any(|_| {
        send();
        to.sees(mark, ONCE)
    })
}

fn of_same_family(pod: &Pod, other: IpAddr) -> IpAddr {
    let same = |address: &&IpAddr| address.is_ipv4() == other.is_ipv4();
    *pod.addresses.iter().find(same).unwrap()
}

/// Frames with a foreign source, from a pod that nobody isolates and from one that is.
fn spoofed_sources_are_dropped(shape: Shape) {
    let mut node = Node::new(shape, Families::Dual);
    let [db, free, held] = ["db", "free", "held"].map(|name| node.pod(name));
    node.put(&ingress("held", "held", &json!([])));
    node.start("");
    let to = Link::open(&node.lab, &db);
    for (pod, victim) in [(&free, &held), (&held, &free)] {
        let link = Link::open(&node.lab, pod);
        for own in &pod.addresses {
            let target = of_same_family(&db, *own);
            let foreign = if own.is_ipv4() {
                "192.0.2.9"
            } else {
                "2001:db8::9"
            };
            let sources = [
                (*own, true),
                (of_same_family(victim, *own), false),
                (foreign.parse().unwrap(), false),
            ];
            for (source, expected) in sources {
                let mark = mark();
                let (ethertype, packet) = ip(source, target, UDP, &udp(4000, 53, &mark));
                let before = node.packets("egress/spoofed");
                let seen = arrives(&to, mark, expected, || link.send(ethertype, &packet));
                assert_eq!(seen, expected, "{} as {source}", pod.name);
                assert_eq!(node.packets("egress/spoofed") > before, !expected);
            }
        }
    }
}

#[test]
fn a_pod_sends_from_its_own_addresses_only_with_ptp_links() {
    spoofed_sources_are_dropped(Shape::Ptp);
}

#[test]
fn a_pod_sends_from_its_own_addresses_only_with_a_bridge() {
    spoofed_sources_are_dropped(BRIDGE);
}

/// Extension headers of 8 bytes, then UDP: gives the first next-header number and the payload.
fn behind_headers(numbers: &[u8], segments_left: u8, udp: &[u8]) -> (u8, Vec<u8>) {
    let mut payload = Vec::new();
    for (place, number) in numbers.iter().enumerate() {
        let next = numbers.get(place + 1).copied().unwrap_or(UDP);
        match number {
            // Routing header of type 0.
            &ROUTING => payload.extend([next, 0, 0, segments_left, 0, 0, 0, 0]),
            // Padding options.
            _ => payload.extend([next, 0, 1, 4, 0, 0, 0, 0]),
        }
    }
    payload.extend(udp);
    (numbers[0], payload)
}

#[test]
fn ports_are_found_behind_ipv6_extension_headers() {
    let mut node = Node::new(Shape::Ptp, Families::V6);
    let [db, api] = ["db", "api"].map(|name| node.pod(name));
    let rule = json!([{"from": [app("api")], "ports": [{"port": 53, "protocol": "UDP"}]}]);
    node.put(&ingress("db", "db", &rule));
    node.start("");
    let [to, from] = [&db, &api].map(|pod| Link::open(&node.lab, pod));
    let (source, target) = (api.v6().unwrap(), db.v6().unwrap());
    // The node itself drops what has segments left, unless it takes part in source routing; so
    // that last case is about the counter.
    let cases: [(&[u8], u8, u16, Option<&str>); 5] = [
        (&[DESTINATION], 0, 53, None),
        (&[HOP_BY_HOP, DESTINATION], 0, 53, None),
        (&[ROUTING, DESTINATION], 0, 53, None),
        (
            &[HOP_BY_HOP, DESTINATION],
            0,
            54,
            Some("ingress/policy-denied"),
        ),
        (&[ROUTING], 1, 53, Some("ingress/source-routed")),
    ];
    for (headers, left, port, counter) in cases {
        let mark = mark();
        let (next, payload) = behind_headers(headers, left, &udp(4000, port, &mark));
        let (ethertype, packet) = ip(source, target, next, &payload);
        let count = || counter.map_or(0, |counter| node.packets(counter));
        let before = count();
        let expected = counter.is_none();
        let seen = arrives(&to, mark, expected, || from.send(ethertype, &packet));
        assert_eq!(seen, expected, "{headers:?} port {port}");
        assert_eq!(count() > before, !expected, "{headers:?} port {port}");
    }
}

#[test]
fn errors_pass_about_tracked_flows_only() {
    let mut node = Node::new(Shape::Ptp, Families::V4);
    let api = node.pod("api");
    node.put(&deny_all());
    let spec = json!({
        "podSelector": {}, "policyTypes": ["Egress"],
        "egress": [{"ports": [{"protocol": "UDP"}]}],
    });
    node.put(&policy("udp", &spec));
    node.start("");
    let (pod, outside) = (api.v4().unwrap(), node.lab.outside_addresses()[0]);
    let link = Link::open(&node.lab, &api);
    let ends = [(&node.lab.outside, outside), (&*api, pod)];
    // "Port unreachable" and "time exceeded", about a datagram from `port` of the pod to 9.
    let error = |kind: [u8; 2], port: u16| {
        let quoted = ip(pod, outside, UDP, &udp(port, 9, &[])).1;
        [&[kind[0], kind[1], 0, 0, 0, 0, 0, 0], &*quoted].concat()
    };
    let hears =
        |message: &[u8], patience| raw::arrives(ends[0], ends[1], ICMP, message, patience).unwrap();
    let (ethertype, datagram) = ip(pod, outside, UDP, &udp(5000, 9, &[]));
    link.send(ethertype, &datagram);
    eventually("the flow is tracked", || node.packets("egress/allowed") > 0);
    for kind in [[3, 3], [11, 0], [3, 4]] {
        assert!(hears(&error(kind, 5000), LONG), "{kind:?}");
        assert!(!hears(&error(kind, 5001), SHORT), "{kind:?}");
    }
    assert!(node.packets("ingress/policy-denied") >= 3);
    // An error that quotes somebody else's packet is none about this pod's.
    let other = "10.244.0.99".parse().unwrap();
    let quoted = ip(other, outside, UDP, &udp(5000, 9, &[])).1;
    let message = [&[3, 3, 0, 0, 0, 0, 0, 0], &*quoted].concat();
    assert!(!hears(&message, SHORT));
}

/// With the hop limit of neighbours, which the node lowers by one.
#[test]
fn discovery_that_the_node_routes_is_a_message_like_any_other() {
    const SOLICITATION: u8 = 135;
    let mut node = Node::new(Shape::Ptp, Families::V6);
    let [held, open] = ["held", "open"].map(|name| node.pod(name));
    let spec = json!({"podSelector": {"matchLabels": {"app": "held"}}, "policyTypes": ["Egress"]});
    node.put(&policy("held", &spec));
    node.start("");
    let outside = Wire::open(&node.lab.outside, "eth0").unwrap();
    let to_open = Wire::open(&open, "eth0").unwrap();
    let far = node.lab.outside_addresses()[0];
    // A pod that nobody isolates shows that the node routes it.
    let other = node.pod("other");
    node.settle();
    for (sender, expected) in [(&other, true), (&held, false)] {
        let link = Link::open(&node.lab, sender);
        for (to, wire) in [(far, &outside), (open.v6().unwrap(), &to_open)] {
            let mark = mark();
            let (IpAddr::V6(source), IpAddr::V6(target)) = (sender.v6().unwrap(), to) else {
                unreachable!("the lab has IPv6 alone");
            };
            let option = [&[14, 2, 0, 0, 0, 0, 0, 0][..], &mark].concat();
            let body = [&target.octets()[..], &option].concat();
            let header = Ipv6 {
                hops: 255,
                ..Ipv6::new(source, target, 58)
            };
            let packet = header.packet(&frame::icmp(SOLICITATION, 0, 0, &body));
            let before = node.packets("egress/policy-denied");
            let is_it = |frame: &[u8]| frame.windows(8).any(|window| window == mark);
            link.send(IPV6, &packet);
            let patience = if expected { LONG } else { SHORT };
            let seen = wire.receive(patience, is_it).unwrap().is_some();
            assert_eq!(seen, expected, "{} → {to}", sender.name);
            let denied = node.packets("egress/policy-denied") > before;
            assert_eq!(denied, !expected, "{} → {to}", sender.name);
        }
    }
}
