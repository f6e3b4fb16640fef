//! Ping, traceroute, tracepath and path MTU discovery, with the tools that people have. Needs root, a
//! built BPF object and the tools.

#![expect(clippy::unwrap_used, reason = "a test ends at its first surprise")]

#[path = "common/mod.rs"]
#[allow(dead_code, reason = "each test file uses some of the helpers")]
mod common;

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream, UdpSocket};
use std::process::Command;

use common::route::{NARROW, Route};
use common::{BRIDGE, LONG, Node, policy, serve};
use enforcer_lab::{Families, LabError, Namespace, Pod, Protocol, Server, Shape};
use serde_json::{Value, json};

/// The UDP ports that traceroute and tracepath use by default or are told to.
const TRACED: [u16; 2] = [33_434, 33_534];

/// Pods before a route: one that nobody isolates; one that may send anything to the host behind it
/// and receive nothing; one that may use some ports, both ways; one that may do nothing.
struct World {
    open: Pod,
    sender: Pod,
    ported: Pod,
    shut: Pod,
    route: Route,
    node: Node,
}

impl World {
    fn new(shape: Shape) -> Self {
        let mut node = Node::new(shape, Families::Dual);
        let route = Route::build(&node.lab);
        let [open, sender, ported, shut] =
            ["open", "sender", "ported", "shut"].map(|name| node.pod(name));
        let far: Vec<Value> = route
            .addresses
            .iter()
            .map(|address| {
                let length = if address.is_ipv4() { 32 } else { 128 };
                json!({"ipBlock": {"cidr": format!("{address}/{length}")}})
            })
            .collect();
        let ports = json!([
            {"port": 80},
            {"port": 53, "protocol": "UDP"},
            {"port": TRACED[0], "endPort": TRACED[1], "protocol": "UDP"},
        ]);
        let both = json!(["Ingress", "Egress"]);
        let selects = |name: &str| json!({"matchLabels": {"app": name}});
        node.put(&policy(
            "sender",
            &json!({"podSelector": selects("sender"), "policyTypes": both, "egress": [{"to": far}]}),
        ));
        node.put(&policy(
            "ported",
            &json!({
                "podSelector": selects("ported"), "policyTypes": both,
                "egress": [{"to": far, "ports": ports}],
                "ingress": [{"from": far, "ports": ports}],
            }),
        ));
        node.put(&policy(
            "shut",
            &json!({"podSelector": selects("shut"), "policyTypes": both}),
        ));
        node.start("");
        Self {
            open,
            sender,
            ported,
            shut,
            route,
            node,
        }
    }
}

/// What a tool prints, whatever its exit code.
fn tool(at: &Namespace, line: &str) -> String {
    let mut words = line.split_whitespace();
    let program = words.next().unwrap();
    let mut command = Command::new(program);
    command.args(words).env("LC_ALL", "C");
    let run = || {
        command.output().map_err(|source| LabError::Start {
            command: line.to_owned(),
            source,
        })
    };
    let output = at.run(run).unwrap();
    let text = [output.stdout, output.stderr].concat();
    String::from_utf8(text).unwrap()
}

/// Fails, with what the tool says, unless it says all of these.
fn says(at: &Namespace, line: &str, words: &[&str]) {
    let text = tool(at, line);
    for word in words {
        assert!(
            text.contains(word),
            "`{line}` does not say {word:?}:\n{text}"
        );
    }
}

const ALL_BACK: &str = " 0% packet loss";
const NONE_BACK: &str = " 100% packet loss";

#[test]
fn ping_is_answered_where_a_rule_without_ports_allows_it() {
    let world = World::new(Shape::Ptp);
    for far in world.route.addresses {
        for pod in [&world.open, &world.sender] {
            says(
                pod,
                &format!("ping -n -c 3 -i 0.2 -W 10 {far}"),
                &[ALL_BACK],
            );
        }
        for pod in [&world.ported, &world.shut] {
            says(
                pod,
                &format!("ping -n -c 2 -i 0.2 -W 1 {far}"),
                &[NONE_BACK],
            );
        }
    }
    for (pod, answer) in [
        (&world.open, ALL_BACK),
        (&world.sender, NONE_BACK),
        (&world.shut, NONE_BACK),
    ] {
        for address in &pod.addresses {
            let line = format!("ping -n -c 2 -i 0.2 -W 2 {address}");
            says(&world.route.far, &line, &[answer]);
            // Its own node asks it whatever it likes.
            says(&world.node.lab.node, &line, &[ALL_BACK]);
        }
    }
}

#[test]
fn large_and_many_pings_are_answered() {
    for shape in [Shape::Ptp, BRIDGE] {
        let world = World::new(shape);
        for far in world.route.addresses {
            for pod in [&world.open, &world.sender] {
                says(pod, &format!("ping -n -f -c 200 -W 10 {far}"), &[ALL_BACK]);
                // The first ones teach both ends how narrow the way is.
                let large = format!("ping -n -c 5 -i 0.2 -W 10 -s 4000 {far}");
                tool(pod, &large);
                says(pod, &large, &[ALL_BACK]);
            }
            says(
                &world.shut,
                &format!("ping -n -f -c 20 -W 1 {far}"),
                &[NONE_BACK],
            );
        }
    }
}

#[test]
fn ping_hears_who_dropped_a_request_that_was_allowed() {
    let world = World::new(Shape::Ptp);
    for (far, router) in world.route.addresses.into_iter().zip(world.route.routers) {
        let (family, exceeded) = if far.is_ipv4() {
            (4, "Time to live exceeded")
        } else {
            (6, "Time exceeded: Hop limit")
        };
        let line = format!("ping -{family} -n -c 1 -W 5 -t 3 {far}");
        let from = format!("From {router}");
        for pod in [&world.open, &world.sender] {
            says(pod, &line, &[exceeded, &from]);
        }
        // What was never let out is dropped by nobody else.
        let text = tool(
            &world.shut,
            &format!("ping -{family} -n -c 1 -W 1 -t 3 {far}"),
        );
        assert!(!text.contains("xceeded"), "{text}");
    }
    assert!(world.node.packets("ingress/related-error") >= 2);
}

#[test]
fn ping_hears_how_narrow_the_way_is() {
    let world = World::new(Shape::Ptp);
    for far in world.route.addresses {
        for pod in [&world.open, &world.sender] {
            let line = format!("ping -n -c 3 -i 0.2 -W 5 -M do -s 1400 {far}");
            let text = tool(pod, &line);
            let heard = text.contains(&format!("mtu = {NARROW}"))
                || text.contains(&format!("mtu={NARROW}"))
                || text.contains(&format!("mtu: {NARROW}"));
            assert!(heard, "{text}");
        }
    }
}

/// The hops of a route that answered, in order.
fn hops(at: &Namespace, arguments: &str, to: IpAddr) -> Vec<IpAddr> {
    let text = tool(
        at,
        &format!("traceroute -n -q 1 -m 6 -w 2 {arguments} {to}"),
    );
    let lines: Vec<&str> = text.lines().skip(1).collect();
    assert!(!lines.is_empty(), "{text}");
    lines
        .iter()
        .filter_map(|line| line.split_whitespace().nth(1)?.parse().ok())
        .collect()
}

/// What every packet of a route passes: the node, the world outside, a router, the host.
fn all_hops(world: &World, family: usize) -> [IpAddr; 3] {
    let outside = world.node.lab.outside_addresses()[family];
    [
        outside,
        world.route.routers[family],
        world.route.addresses[family],
    ]
}

#[test]
fn traceroute_sees_the_whole_way_where_its_packets_are_allowed() {
    let world = World::new(Shape::Ptp);
    let _server = serve(&world.route.far, 80);
    for family in [0, 1] {
        let far = world.route.addresses[family];
        let expected = all_hops(&world, family);
        for (pod, modes) in [
            (
                &world.open,
                &["-U -p 33434", "-I", "-T -p 80", "-T -p 81", ""][..],
            ),
            (
                &world.sender,
                &["-U -p 33434", "-I", "-T -p 80", "-T -p 81", ""],
            ),
            (&world.ported, &["-U -p 33434", "-T -p 80", ""]),
        ] {
            for mode in modes {
                let seen = hops(pod, mode, far);
                assert_eq!(seen.len(), 4, "{} {mode} {far}: {seen:?}", pod.name);
                assert_eq!(seen[1..], expected, "{} {mode}", pod.name);
            }
        }
        for (pod, modes) in [
            (&world.ported, &["-U -p 53000", "-I", "-T -p 81"][..]),
            (&world.shut, &["-U -p 33434", "-I", "-T -p 80"]),
        ] {
            for mode in modes {
                let seen = hops(pod, mode, far);
                assert!(seen.is_empty(), "{} {mode} {far}: {seen:?}", pod.name);
            }
        }
    }
}

#[test]
fn traceroute_towards_a_pod_ends_at_its_node_unless_a_rule_allows_it() {
    let world = World::new(Shape::Ptp);
    let _server = serve(&world.ported, 80);
    for (pod, mode, reaches) in [
        (&world.open, "-U -p 33434", true),
        (&world.open, "-I", true),
        (&world.open, "-T -p 80", true),
        (&world.ported, "-T -p 80", true),
        (&world.ported, "", true),
        (&world.ported, "-I", false),
        (&world.shut, "", false),
        (&world.shut, "-I", false),
        (&world.shut, "-T -p 80", false),
    ] {
        for address in &pod.addresses {
            let seen = hops(&world.route.far, mode, *address);
            let case = format!("{} {mode} {address}: {seen:?}", pod.name);
            // Two routers and the node answer in any case.
            assert!(seen.len() >= 3, "{case}");
            assert_eq!(seen.contains(address), reaches, "{case}");
        }
    }
}

#[test]
fn tracepath_finds_the_narrow_link() {
    let world = World::new(Shape::Ptp);
    for far in world.route.addresses {
        let line = format!("tracepath -n -m 8 -p {} {far}", TRACED[0]);
        for pod in [&world.open, &world.sender, &world.ported] {
            says(pod, &line, &[&format!("Resume: pmtu {NARROW}"), "reached"]);
        }
        let text = tool(
            &world.shut,
            &format!("tracepath -n -m 2 -p {} {far}", TRACED[0]),
        );
        assert!(
            text.contains("Too many hops") && text.contains("no reply"),
            "{text}"
        );
    }
}

/// Connects and has this much sent back.
fn bulk(from: &Namespace, to: SocketAddr) {
    const PART: usize = 1 << 16;
    const PARTS: u8 = 16;
    let connect = || -> Result<_, LabError> { Ok(TcpStream::connect_timeout(&to, LONG).unwrap()) };
    let mut stream = from.run(connect).unwrap();
    stream.set_read_timeout(Some(LONG)).unwrap();
    let mut back = vec![0; PART];
    for part in 0..PARTS {
        let sent = vec![part; PART];
        stream.write_all(&sent).unwrap();
        stream.read_exact(&mut back).unwrap();
        assert!(sent == back, "part {part}");
    }
}

fn bulk_transfers(shape: Shape) {
    let world = World::new(shape);
    let _far = serve(&world.route.far, 80);
    let _pods = [&world.open, &world.ported].map(|pod| serve(pod, 80));
    for family in [0, 1] {
        let far = SocketAddr::new(world.route.addresses[family], 80);
        for pod in [&world.open, &world.sender, &world.ported] {
            bulk(pod, far);
        }
        for pod in [&world.open, &world.ported] {
            bulk(&world.route.far, SocketAddr::new(pod.addresses[family], 80));
        }
        let way = world.ported.ip(&format!("route get {}", far.ip())).unwrap();
        assert!(way.contains(&format!("mtu {NARROW}")), "{way}");
    }
    assert!(world.node.packets("ingress/related-error") > 0);
}

#[test]
fn a_bulk_transfer_fits_itself_into_a_narrow_link_with_ptp_links() {
    bulk_transfers(Shape::Ptp);
}

#[test]
fn a_bulk_transfer_fits_itself_into_a_narrow_link_with_a_bridge() {
    bulk_transfers(BRIDGE);
}

#[test]
fn a_bulk_transfer_fits_itself_into_a_narrow_uplink() {
    const UPLINK: u32 = 1400;
    let world = World::new(Shape::Ptp);
    let lab = &world.node.lab;
    for (at, link) in [(&*lab.node, "uplink0"), (&lab.outside, "eth0")] {
        at.ip(&format!("link set {link} mtu {UPLINK}")).unwrap();
    }
    // Nothing on the way is narrower.
    lab.outside.ip("link set narrow0 mtu 1500").unwrap();
    let _far = serve(&world.route.far, 80);
    for family in [0, 1] {
        let far = SocketAddr::new(world.route.addresses[family], 80);
        bulk(&world.ported, far);
        let way = world.ported.ip(&format!("route get {}", far.ip())).unwrap();
        assert!(way.contains(&format!("mtu {UPLINK}")), "{way}");
    }
}

/// Sends datagrams larger than the narrow link carries until one comes back.
fn ask_much(from: &Namespace, to: SocketAddr) -> bool {
    const LENGTH: usize = 1400;
    let ask = || -> Result<_, LabError> {
        let any = if to.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
        let socket = UdpSocket::bind(any).unwrap();
        socket.connect(to).unwrap();
        socket.set_read_timeout(Some(LONG / 20)).unwrap();
        let mut answer = [0; 2048];
        Ok((0..20).any(|_| {
            // Fails when the kernel has just learned that the way is narrow.
            let _ = socket.send(&[7; LENGTH]);
            socket.recv(&mut answer).is_ok_and(|got| got == LENGTH)
        }))
    };
    from.run(ask).unwrap()
}

#[test]
fn datagrams_too_large_for_a_narrow_link_go_in_fragments() {
    let world = World::new(Shape::Ptp);
    let _far = Server::start(&world.route.far, Protocol::Udp, 53).unwrap();
    for far in world.route.addresses {
        let far = SocketAddr::new(far, 53);
        for pod in [&world.open, &world.sender, &world.ported] {
            assert!(ask_much(pod, far), "{} {far}", pod.name);
        }
    }
}
