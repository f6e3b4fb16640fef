//! Hundreds of changes under a storm of connections, and not one wrong verdict. Needs root and a
//! built BPF object.

#![expect(clippy::unwrap_used, reason = "a test ends at its first surprise")]

#[path = "common/mod.rs"]
#[allow(dead_code, reason = "each test file uses some of the helpers")]
mod common;

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use common::echo::Echo;
use common::live::Live;
use common::{LONG, Node, PROGRAM, eventually, pod_object, policy, serve};
use enforcer_flows::Record;
use enforcer_lab::{Families, Namespace, Outcome, Pod, Protocol, Server, Shape, probe};
use serde_json::{Value, json};

/// Changes, and the time after which no more are made.
const CHANGES: usize = 300;
const ENOUGH: Duration = Duration::from_secs(50);
/// Changes without which the test has shown nothing.
const FEWEST: usize = 100;

/// Time between two connections of one thread.
const PACE: Duration = Duration::from_millis(4);
/// Time between two attempts that are refused, each of which becomes a record.
const SLOW: Duration = Duration::from_millis(25);
/// How long to look for what must not come.
const SILENCE: Duration = Duration::from_millis(40);
/// How long one datagram's answer is waited for. It is sent once only, so none may be dropped.
const PATIENCE: Duration = Duration::from_secs(10);

/// What is the same before and after every change: `open` lets `api` in, `shut` lets nobody in. And
/// what changes: `door` lets `api` in now and then.
struct World {
    node: Node,
    api: Pod,
    web: Pod,
    open: Pod,
    shut: Pod,
    door: Pod,
    /// Of `shut`, which nobody may reach.
    unreached: Vec<Server>,
    _servers: Vec<Server>,
}

fn object(name: &str, pod: &Pod, more: &[(&str, &str)]) -> Value {
    pod_object(name, &[&[("app", name)], more].concat(), &pod.addresses)
}

/// A policy of one pod for what comes in.
fn into(name: &str, subject: &Value, rules: &Value) -> Value {
    policy(
        name,
        &json!({"podSelector": subject, "policyTypes": ["Ingress"], "ingress": rules}),
    )
}

fn app(name: &str) -> Value {
    json!({"matchLabels": {"app": name}})
}

fn peer(name: &str) -> Value {
    json!({"podSelector": app(name)})
}

fn namespace(env: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Namespace",
        "metadata": {"name": "default", "labels": {"env": env}}})
}

/// A pod's addresses, after so many others that writing them all takes its time.
fn blocks(pod: &Pod, network: u8) -> Value {
    let others = (0..1000_u16).map(|number| {
        let [high, low] = number.to_be_bytes();
        IpAddr::from([100, 64 + network, high, low])
    });
    others
        .chain(pod.addresses.iter().copied())
        .map(|ip| json!({"ipBlock": {"cidr": ipnet::IpNet::from(ip).to_string()}}))
        .collect()
}

fn services(pod: &Pod) -> Vec<Server> {
    vec![
        serve(pod, 80),
        Server::start(pod, Protocol::Udp, 80).unwrap(),
    ]
}

impl World {
    fn new() -> Self {
        let mut node = Node::new(Shape::Ptp, Families::Dual);
        let [api, web, open, shut, door] = ["api", "web", "open", "shut", "door"].map(|name| {
            let pod = node.lab.add_pod(name).unwrap();
            node.put(&object(name, &pod, &[]));
            pod
        });
        let unreached = services(&shut);
        let servers = [&open, &door].map(services).into_iter().flatten().collect();
        node.put(&namespace("a"));
        // Connections of api are judged at both ends.
        let egress = json!({"podSelector": app("api"), "policyTypes": ["Egress"], "egress": [{}]});
        node.put(&policy("api", &egress));
        node.put(&into(
            "open",
            &app("open"),
            &json!([{"from": [peer("api")]}]),
        ));
        node.put(&into("shut", &app("shut"), &json!([])));
        node.put(&into("door", &app("door"), &json!([])));
        node.start("--each-denial --events-per-second 1000000");
        Self {
            node,
            api,
            web,
            open,
            shut,
            door,
            unreached,
            _servers: servers,
        }
    }

    /// Makes a change of its kind; says whether the door is open to api then.
    fn change(&self, round: usize, was_open: bool) -> bool {
        let Self {
            node, api, open, ..
        } = self;
        let turn = round / 8;
        let odd = turn % 2 == 1;
        let blocks = || blocks(api, u8::try_from(turn % 100).unwrap());
        match round % 8 {
            0 | 4 => {
                let rules = if was_open {
                    json!([{"from": [peer("web")]}])
                } else {
                    json!([{"from": [peer("web"), peer("api")]}])
                };
                node.put(&into("door", &app("door"), &rules));
                return !was_open;
            }
            // The same allowance in other words: by label, block, port list, namespace.
            1 => {
                let rule = [
                    json!({"from": [peer("api")]}),
                    json!({"from": blocks()}),
                    json!({"from": [{"namespaceSelector": {}, "podSelector": app("api")}],
                        "ports": [{"port": 80}, {"port": 80, "protocol": "UDP"}, {"port": 90, "endPort": 99}]}),
                    json!({"from": blocks(), "ports": [{"port": 80}, {"port": 80, "protocol": "UDP"}]}),
                    json!({"from": [{"namespaceSelector": {"matchExpressions":
                        [{"key": "env", "operator": "Exists"}]}, "podSelector": app("api")}]}),
                ];
                node.put(&into("open", &app("open"), &json!([rule[turn % 5]])));
            }
            2 => {
                let more = into("more", &app("open"), &json!([{"from": [peer("web")]}]));
                node.put(&more);
                if odd {
                    node.delete(&more);
                }
            }
            3 => {
                let wrong = [
                    json!([]),
                    json!([{"from": [peer("nobody")]}]),
                    json!([{"ports": [{"port": 9}]}]),
                    json!([{"from": [{"ipBlock": {"cidr": "10.244.0.0/16", "except": ["10.244.0.0/24"]}}]}]),
                ];
                node.put(&into("shut", &app("shut"), &wrong[turn % 4]));
            }
            // Other identities of both sides, with the same verdicts.
            5 => node.put(&object(
                "api",
                api,
                &[("turn", if odd { "x" } else { "y" })],
            )),
            6 => node.put(&object(
                "open",
                open,
                &[("turn", if odd { "x" } else { "y" })],
            )),
            _ => {
                node.put(&namespace(if odd { "a" } else { "b" }));
                let turned = json!({"matchLabels": {"turn": if odd { "x" } else { "y" }}});
                node.put(&into("turn", &turned, &json!([{"from": [peer("web")]}])));
            }
        }
        was_open
    }
}

fn both(pod: &Pod) -> [SocketAddr; 2] {
    [pod.v4(), pod.v6()].map(|address| SocketAddr::new(address.unwrap(), 80))
}

/// Sends one datagram from a new socket, and looks whether it is answered.
fn asks_once(from: &Namespace, to: SocketAddr, patience: Duration) -> bool {
    let any = if to.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    let socket = from.run(|| Ok(UdpSocket::bind(any).unwrap())).unwrap();
    socket.connect(to).unwrap();
    socket.set_read_timeout(Some(patience)).unwrap();
    socket.send(b"once").is_ok() && socket.recv(&mut [0; 16]).is_ok()
}

/// What the storm counts.
#[derive(Default)]
struct Storm {
    over: AtomicBool,
    allowed: AtomicU64,
    refused: AtomicU64,
    through_the_door: AtomicU64,
    /// Odd while a change is under way.
    change: AtomicU64,
    /// Whether the door is open.
    door: AtomicBool,
}

impl Storm {
    fn rages(&self) -> bool {
        !self.over.load(Ordering::SeqCst)
    }

    /// Does what goes on until the storm is over, which it is when that fails.
    fn until_over(&self, work: impl FnOnce()) {
        let end = End(self);
        work();
        drop(end);
    }

    fn always_allowed(&self, from: &Namespace, to: SocketAddr) {
        while self.rages() {
            assert!(asks_once(from, to, PATIENCE), "a datagram to {to} was lost");
            let connected = probe::tcp_connect(from, to, LONG).unwrap();
            assert_eq!(connected, Outcome::Connected, "{to}");
            self.allowed.fetch_add(2, Ordering::Relaxed);
            thread::sleep(PACE);
        }
    }

    fn always_denied(&self, from: &Namespace, to: SocketAddr) {
        while self.rages() {
            assert!(!asks_once(from, to, SILENCE), "{to} answered");
            let outcome = probe::tcp_connect(from, to, SILENCE).unwrap();
            assert_eq!(outcome, Outcome::Timeout, "{to}");
            self.refused.fetch_add(2, Ordering::Relaxed);
            thread::sleep(SLOW);
        }
    }

    /// Nobody comes through the door when it is shut all the while.
    fn sometimes(&self, from: &Namespace, to: SocketAddr) {
        while self.rages() {
            let before = self.change.load(Ordering::SeqCst);
            let open = self.door.load(Ordering::SeqCst);
            let passed = asks_once(from, to, SILENCE);
            let same = self.change.load(Ordering::SeqCst) == before && before.is_multiple_of(2);
            assert!(open || !passed || !same, "the door to {to} was shut");
            let passed = u64::from(passed);
            self.through_the_door.fetch_add(passed, Ordering::Relaxed);
            thread::sleep(PACE);
        }
    }
}

/// Every denial that the daemon reports.
struct Denials {
    child: Child,
    records: Arc<Mutex<Vec<Record>>>,
}

impl Denials {
    fn follow(node: &Node) -> Self {
        let mut child = Command::new(PROGRAM)
            .args([
                "flows",
                "--follow",
                "--verdict",
                "denied",
                "--output",
                "json",
                "--socket",
            ])
            .arg(node.socket())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let records = Arc::new(Mutex::new(Vec::new()));
        let shared = Arc::clone(&records);
        thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let record = serde_json::from_str(&line).unwrap();
                shared.lock().unwrap().push(record);
            }
        });
        Self { child, records }
    }
}

impl Drop for Denials {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Changes policies until it is enough; gives how often.
fn change_all_the_time(world: &World, storm: &Storm) -> usize {
    let begin = Instant::now();
    let mut open = false;
    for round in 0..CHANGES {
        if begin.elapsed() > ENOUGH {
            return round;
        }
        storm.change.fetch_add(1, Ordering::SeqCst);
        open = world.change(round, open);
        world.node.settle();
        storm.door.store(open, Ordering::SeqCst);
        storm.change.fetch_add(1, Ordering::SeqCst);
        let patience = if open { LONG } else { SILENCE };
        let door = both(&world.door)[round / 4 % 2];
        assert_eq!(asks_once(&world.api, door, patience), open, "round {round}");
    }
    CHANGES
}

#[test]
fn no_connection_gets_a_verdict_that_neither_policy_gives() {
    let world = World::new();
    let denials = Denials::follow(&world.node);
    let World {
        api,
        web,
        open,
        shut,
        door,
        ..
    } = &world;
    let long_lived = both(open).map(|at| {
        (
            Echo::open("api → open", api, at),
            Live::open("api → open", api, at.ip(), 80),
        )
    });
    let storm = Storm::default();
    let changes = thread::scope(|scope| {
        let storm = &storm;
        for at in [both(open), both(open)].concat() {
            scope.spawn(move || storm.until_over(|| storm.always_allowed(api, at)));
        }
        for (from, at) in [api, web].into_iter().zip(both(shut)) {
            scope.spawn(move || storm.until_over(|| storm.always_denied(from, at)));
        }
        for at in both(door) {
            scope.spawn(move || storm.until_over(|| storm.sometimes(api, at)));
        }
        let _end = End(storm);
        change_all_the_time(&world, storm)
    });
    assert!(changes >= FEWEST, "only {changes} changes");
    for (echo, live) in &long_lived {
        echo.goes_on();
        live.goes_on();
    }
    let counts = [&storm.allowed, &storm.refused, &storm.through_the_door];
    let counts = counts.map(|count| count.load(Ordering::Relaxed));
    println!("{changes} changes; allowed, refused, sometimes: {counts:?}");
    assert!(counts.iter().all(|count| *count > 50), "{counts:?}");
    for server in &world.unreached {
        assert_eq!(server.served(), 0, "somebody reached `shut`");
    }
    nobody_else_was_denied(&world, &denials);
}

/// A dropped segment of TCP is sent again and missed by nobody, but the programs report it.
fn nobody_else_was_denied(world: &World, denials: &Denials) {
    let dropped = || -> u64 {
        let counters = ["policy-denied", "revoked"];
        let hooks = ["ingress", "egress"].into_iter();
        let counters = hooks.flat_map(|hook| counters.map(|reason| format!("{hook}/{reason}")));
        counters.map(|counter| world.node.packets(&counter)).sum()
    };
    eventually("every dropped packet is reported", || {
        let records = denials.records.lock().unwrap();
        let reported: u64 = records.iter().map(|record| record.count).sum();
        reported == dropped()
    });
    let allowed: BTreeSet<IpAddr> = world.open.addresses.iter().copied().collect();
    for record in denials.records.lock().unwrap().iter() {
        for end in [&record.source, &record.destination] {
            let address = end.address.unwrap();
            assert!(!allowed.contains(&address), "{record}");
        }
    }
}

/// Ends the storm when dropped.
struct End<'a>(&'a Storm);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.over.store(true, Ordering::SeqCst);
    }
}
