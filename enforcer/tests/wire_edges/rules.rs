//! What policies do not speak about, or only between the lines: the own node, replies, ICMP,
//! fragments, neighbours, translated sources.

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::time::Duration;

use crate::common::{
    BRIDGE, FILTERED_BRIDGE, LONG, Node, SHORT, app, connects, deny_all, eventually, ingress,
    pings, policy, serve,
};
use enforcer_lab::probe::udp_ask;
use enforcer_lab::{Families, LabError, Namespace, Outcome, Protocol, Server, Shape, raw};
use serde_json::json;

fn both(addresses: &[IpAddr]) -> [IpAddr; 2] {
    addresses.try_into().unwrap()
}

fn the_own_node_and_the_pod_itself(shape: Shape) {
    let mut node = Node::new(shape, Families::Dual);
    let [db, api] = ["db", "api"].map(|name| node.pod(name));
    let _servers = [&db, &api].map(|pod| serve(pod, 80));
    let _host = serve(&node.lab.node, 10250);
    let _udp = Server::start(&node.lab.node, Protocol::Udp, 53).unwrap();
    node.put(&deny_all());
    node.start("");
    for address in both(&db.addresses) {
        connects(&node.lab.node, address, 80, true);
        pings(&node.lab.node, address, true);
        connects(&db, address, 80, true);
        pings(&db, address, true);
        connects(&api, address, 80, false);
        pings(&api, address, false);
        connects(&node.lab.outside, address, 80, false);
    }
    for address in both(&node.lab.node_addresses()) {
        connects(&db, address, 10250, true);
        pings(&db, address, true);
        let question = udp_ask(&db, SocketAddr::new(address, 53), LONG).unwrap();
        assert_eq!(question, Outcome::Connected);
    }
    for address in both(&node.lab.outside_addresses()) {
        pings(&db, address, false);
    }
}

#[test]
fn under_deny_all_the_own_node_and_the_pod_itself_are_reached_with_ptp_links() {
    the_own_node_and_the_pod_itself(Shape::Ptp);
}

#[test]
fn under_deny_all_the_own_node_and_the_pod_itself_are_reached_with_a_bridge() {
    the_own_node_and_the_pod_itself(BRIDGE);
}

#[test]
fn under_deny_all_the_own_node_and_the_pod_itself_are_reached_with_a_filtered_bridge() {
    the_own_node_and_the_pod_itself(FILTERED_BRIDGE);
}

#[test]
fn a_node_reaches_its_pod_by_udp_and_hears_the_answer() {
    let mut node = Node::new(Shape::Ptp, Families::Dual);
    let db = node.pod("db");
    let _server = Server::start(&db, Protocol::Udp, 53).unwrap();
    node.put(&deny_all());
    node.start("");
    for address in both(&db.addresses) {
        let question = udp_ask(&node.lab.node, SocketAddr::new(address, 53), LONG).unwrap();
        assert_eq!(question, Outcome::Connected);
    }
}

#[test]
fn replies_need_no_rule() {
    let mut node = Node::new(Shape::Ptp, Families::Dual);
    let [db, api] = ["db", "api"].map(|name| node.pod(name));
    let _tcp = serve(&db, 80);
    let _udp = Server::start(&db, Protocol::Udp, 80).unwrap();
    let rule = json!([{"ports": [{"port": 80}, {"port": 80, "protocol": "UDP"}]}]);
    node.put(&deny_all());
    node.put(&ingress("db", "db", &rule));
    let spec = json!({
        "podSelector": {"matchLabels": {"app": "api"}},
        "policyTypes": ["Egress"], "egress": [{"to": [app("db")]}],
    });
    node.put(&policy("api", &spec));
    node.start("");
    for address in both(&db.addresses) {
        connects(&api, address, 80, true);
        let question = udp_ask(&api, SocketAddr::new(address, 80), LONG).unwrap();
        assert_eq!(question, Outcome::Connected);
        connects(&node.lab.outside, address, 80, true);
    }
    for address in both(&api.addresses) {
        pings(&db, address, false);
    }
}

#[test]
fn echo_needs_a_rule_without_ports() {
    let mut node = Node::new(Shape::Ptp, Families::Dual);
    let [db, api, web] = ["db", "api", "web"].map(|name| node.pod(name));
    let ports = json!([{"port": 80}, {"protocol": "UDP"}, {"protocol": "SCTP"}]);
    let rules = json!([{"from": [app("api")]}, {"from": [app("web")], "ports": ports}]);
    node.put(&ingress("db", "db", &rules));
    node.start("");
    for address in both(&db.addresses) {
        pings(&api, address, true);
        pings(&web, address, false);
    }
    // The other way db is not isolated, and the reply follows the request.
    for address in both(&web.addresses) {
        pings(&db, address, true);
    }
}

#[test]
fn errors_about_allowed_packets_come_back() {
    let mut node = Node::new(Shape::Ptp, Families::Dual);
    let [db, api] = ["db", "api"].map(|name| node.pod(name));
    node.put(&deny_all());
    // Ports, so that no rule allows ICMP itself.
    let to_udp = json!([{"ports": [{"protocol": "UDP"}]}]);
    let spec = json!({
        "podSelector": {"matchLabels": {"app": "api"}},
        "policyTypes": ["Egress"], "egress": to_udp,
    });
    node.put(&policy("api", &spec));
    node.put(&ingress("db", "db", &to_udp));
    node.start("");
    // Nobody listens there: "port unreachable" from the pod, and from outside.
    for address in db.addresses.iter().chain(&node.lab.outside_addresses()) {
        let outcome = udp_ask(&api, SocketAddr::new(*address, 9), LONG).unwrap();
        assert_eq!(outcome, Outcome::Refused, "{address}");
    }
    assert!(node.packets("ingress/related-error") >= 4);
    assert!(node.packets("egress/related-error") >= 2);
}

/// Sends one datagram that needs fragments and waits for the same back.
fn ask_much(from: &Namespace, to: IpAddr, patience: Duration) -> bool {
    const LENGTH: usize = 4000;
    let answered = from.run(|| {
        let any: SocketAddr = if to.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" }
            .parse()
            .unwrap();
        let socket = UdpSocket::bind(any).unwrap();
        socket.connect((to, 53)).unwrap();
        socket.set_read_timeout(Some(patience / 3)).unwrap();
        let mut answer = [0; 8192];
        Ok((0..3).any(|_| {
            socket.send(&[7; LENGTH]).unwrap();
            socket
                .recv(&mut answer)
                .is_ok_and(|length| length == LENGTH)
        }))
    });
    answered.unwrap()
}

fn fragments(shape: Shape) {
    let mut node = Node::new(shape, Families::Dual);
    let [db, api, web] = ["db", "api", "web"].map(|name| node.pod(name));
    let _server = Server::start(&db, Protocol::Udp, 53).unwrap();
    node.put(&deny_all());
    let to_dns = json!([{"to": [app("db")], "ports": [{"port": 53, "protocol": "UDP"}]}]);
    let spec = json!({"podSelector": {}, "policyTypes": ["Egress"], "egress": to_dns});
    node.put(&policy("dns", &spec));
    let rules = json!([{"from": [app("api")], "ports": [{"port": 53, "protocol": "UDP"}]}]);
    node.put(&ingress("db", "db", &rules));
    node.start("");
    for address in both(&db.addresses) {
        assert!(ask_much(&api, address, LONG), "{shape:?} {address}");
        assert!(!ask_much(&web, address, SHORT), "{shape:?} {address}");
        assert!(
            ask_much(&node.lab.node, address, LONG),
            "{shape:?} {address}"
        );
    }
}

#[test]
fn fragments_share_the_verdict_of_the_first_with_ptp_links() {
    fragments(Shape::Ptp);
}

#[test]
fn fragments_share_the_verdict_of_the_first_with_a_bridge() {
    fragments(BRIDGE);
}

#[test]
fn fragments_share_the_verdict_of_the_first_with_a_filtered_bridge() {
    fragments(FILTERED_BRIDGE);
}

#[test]
fn neighbours_are_discovered_under_deny_all() {
    let mut node = Node::new(BRIDGE, Families::Dual);
    let [db, api] = ["db", "api"].map(|name| node.pod(name));
    node.put(&deny_all());
    node.start("");
    for address in both(&db.addresses) {
        pings(&api, address, false);
        eventually("the neighbour's MAC address is known", || {
            pings(&api, address, false);
            let known = api.ip(&format!("neighbor show to {address}")).unwrap();
            known.contains("lladdr")
        });
    }
}

#[test]
fn a_forwarded_packet_with_the_nodes_address_is_not_the_nodes() {
    let mut node = Node::new(Shape::Ptp, Families::V4);
    let db = node.pod("db");
    node.put(&deny_all());
    // What masquerading leaves: the source is the node's, the packet came by the uplink. The
    // kernel lets it in where local sources are accepted from elsewhere.
    let own: IpAddr = "203.0.113.1".parse().unwrap();
    node.lab.add_node_address(own).unwrap();
    node.lab.add_outside(own).unwrap();
    for link in ["all", "uplink0"] {
        for (name, value) in [("accept_local", "1"), ("rp_filter", "0")] {
            let name = format!("net/ipv4/conf/{link}/{name}");
            node.lab.node.sysctl(&name, value).unwrap();
        }
    }
    let pod = (&*db, db.v4().unwrap());
    let arrives = |from: &Namespace, patience| {
        raw::arrives((from, own), pod, 253, b"anything at all", patience).unwrap()
    };
    assert!(
        arrives(&node.lab.outside, LONG),
        "the lab does not forward it"
    );
    node.start("");
    assert!(arrives(&node.lab.node, LONG));
    assert!(!arrives(&node.lab.outside, SHORT));
    assert!(node.packets("ingress/policy-denied") > 0);
}

/// A server that sends without being asked.
fn push_server(at: &Namespace, port: u16) -> TcpListener {
    let listen = || -> Result<_, LabError> { Ok(TcpListener::bind(("0.0.0.0", port)).unwrap()) };
    at.run(listen).unwrap()
}

/// A connection to a [`push_server`], both ends.
fn pushed(from: &Namespace, to: IpAddr, server: &TcpListener) -> (TcpStream, TcpStream) {
    let port = server.local_addr().unwrap().port();
    let connect = || -> Result<_, LabError> { Ok(TcpStream::connect((to, port)).unwrap()) };
    let client = from.run(connect).unwrap();
    client.set_read_timeout(Some(LONG)).unwrap();
    (client, server.accept().unwrap().0)
}

#[test]
fn a_pod_that_becomes_isolated_goes_on_downloading() {
    let mut node = Node::new(Shape::Ptp, Families::V4);
    let [db, api] = ["db", "api"].map(|name| node.pod(name));
    let server = push_server(&db, 80);
    node.start("");
    let (mut idle, mut news) = pushed(&api, db.v4().unwrap(), &server);
    let (mut client, mut source) = pushed(&api, db.v4().unwrap(), &server);
    // Goes on until the client hangs up.
    let sender = std::thread::spawn(move || while source.write_all(&[1; 1 << 14]).is_ok() {});
    let mut buffer = vec![0; 1 << 16];
    client.read_exact(&mut buffer).unwrap();
    node.put(&ingress("api", "api", &json!([])));
    node.settle();
    for _ in 0..100 {
        client.read_exact(&mut buffer).unwrap();
    }
    // The server speaks first on a connection that nothing was sent on since.
    news.write_all(b"news").unwrap();
    idle.read_exact(&mut buffer[..4]).unwrap();
    connects(&db, api.v4().unwrap(), 80, false);
    drop(client);
    sender.join().unwrap();
}

#[test]
fn unused_connections_that_egress_forbids_are_cut_whoever_speaks_first() {
    let mut node = Node::new(Shape::Ptp, Families::V4);
    let [db, api] = ["db", "api"].map(|name| node.pod(name));
    // Both ports may be a client's at the second one.
    let servers = [80, 50051].map(|port| push_server(&db, port));
    node.start("");
    let connections = servers
        .each_ref()
        .map(|server| pushed(&api, db.v4().unwrap(), server));
    let spec = json!({"podSelector": {"matchLabels": {"app": "api"}}, "policyTypes": ["Egress"]});
    node.put(&policy("api", &spec));
    node.settle();
    for (mut client, mut server) in connections {
        server.write_all(b"news").unwrap();
        client.write_all(b"more").unwrap();
        for end in [&mut client, &mut server] {
            end.set_read_timeout(Some(SHORT)).unwrap();
            assert!(end.read(&mut [0; 4]).is_err());
        }
    }
}
