//! Storms of denials on real links: every dropped packet is in the count of one record, or counted as
//! without one. Needs root and a built BPF object.

#![expect(clippy::unwrap_used, reason = "a test ends at its first surprise")]

#[path = "common/mod.rs"]
#[allow(dead_code, reason = "each test file uses some of the helpers")]
mod common;

use std::net::{SocketAddr, UdpSocket};
use std::thread;
use std::time::Duration;

use common::{LONG, Node, eventually, ingress};
use enforcer::api::client;
use enforcer::api::flows::Line;
use enforcer_flows::{Query, Record};
use enforcer_lab::{Families, Pod, Shape};
use serde_json::json;

const DROPPED: &str = "ingress/policy-denied";

/// Two pods, and one that lets nobody in.
struct Scene {
    node: Node,
    one: Pod,
    two: Pod,
    shut: Pod,
}

impl Scene {
    fn open(arguments: &str) -> Self {
        let mut node = Node::new(Shape::Ptp, Families::Dual);
        let [one, two, shut] = ["one", "two", "shut"].map(|name| node.pod(name));
        node.put(&ingress("shut", "shut", &json!([])));
        node.start(arguments);
        Self {
            node,
            one,
            two,
            shut,
        }
    }

    fn records(&self) -> Vec<Record> {
        let lines = client::flows(&self.node.socket(), Query::default()).unwrap();
        let records = lines.map(|line| match line.unwrap() {
            Line::Record(record) => *record,
            Line::Missed { .. } | Line::Failed { .. } => unreachable!("nothing was lost here"),
        });
        records.collect()
    }

    /// Packets that records tell of, and that have none.
    fn told(&self) -> [u64; 2] {
        let unrecorded = self.node.status().denials_unrecorded;
        let recorded = self.records().iter().map(|record| record.count).sum();
        [recorded, unrecorded.get(DROPPED).copied().unwrap_or(0)]
    }

    /// Waits until all that was dropped is told of.
    fn all_told(&self, sent: u64) -> [u64; 2] {
        assert_eq!(self.node.packets(DROPPED), sent, "others were dropped too");
        eventually("all that was dropped is told of", || {
            self.told().iter().sum::<u64>() == sent
        });
        // Nothing is told twice.
        thread::sleep(Duration::from_millis(2500));
        let told = self.told();
        assert_eq!(told.iter().sum::<u64>(), sent);
        told
    }
}

/// Sends datagrams, each from a socket of its own to one of some ports; says how many.
fn storm(from: &Pod, to: &Pod, ports: u16, rounds: usize) -> u64 {
    let mut sent = 0;
    for at in [to.v4().unwrap(), to.v6().unwrap()] {
        let any = if at.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
        let sockets = || {
            (0..4)
                .map(|_| UdpSocket::bind(any))
                .collect::<Result<Vec<_>, _>>()
        };
        let sockets = from.run(|| Ok(sockets().unwrap())).unwrap();
        for _ in 0..rounds {
            for port in 0..ports {
                let socket = &sockets[usize::from(port) % sockets.len()];
                socket
                    .send_to(b"x", SocketAddr::new(at, 9000 + port))
                    .unwrap();
                sent += 1;
            }
        }
    }
    sent
}

#[test]
fn a_storm_from_one_source_is_few_records_with_the_exact_count() {
    let scene = Scene::open("");
    let sent: u64 = thread::scope(|scope| {
        let both = [&scene.one, &scene.two];
        let threads = both.map(|from| scope.spawn(|| storm(from, &scene.shut, 1, 10_000)));
        threads.into_iter().map(|one| one.join().unwrap()).sum()
    });
    assert_eq!(sent, 40_000);
    assert_eq!(scene.all_told(sent), [sent, 0]);
    let records = scene.records();
    assert!(records.len() < 500, "{} records", records.len());
    let most = records.iter().max_by_key(|record| record.count).unwrap();
    assert!(most.count > 100, "{most}");
    assert_eq!(most.destination.port, Some(9000));
    assert_eq!(most.destination.pod().unwrap().name, *"shut");
    assert!(most.source.pod().is_some() && most.context.nearest.is_none());
}

#[test]
fn a_scan_of_ports_is_told_as_far_as_there_is_room_and_counted_beyond() {
    let scene = Scene::open("--map-entries DENIALS=2 --events-per-second 5");
    let sent = storm(&scene.one, &scene.shut, 2000, 3);
    let [recorded, unrecorded] = scene.all_told(sent);
    assert!(
        recorded > 5 && unrecorded > sent / 2,
        "{recorded} {unrecorded}"
    );
    let status = scene.node.status();
    assert_eq!(status.events_suppressed.get("denied"), Some(&unrecorded));
}

#[test]
fn the_next_daemon_begins_to_count_anew() {
    let mut scene = Scene::open("");
    let sent = storm(&scene.one, &scene.shut, 3, 10);
    scene.all_told(sent);
    scene.node.daemon.take().unwrap().stop(LONG).unwrap();
    storm(&scene.one, &scene.shut, 3, 10);
    scene.node.start("");
    assert_eq!(scene.node.packets(DROPPED), 0);
    let sent = storm(&scene.two, &scene.shut, 3, 10);
    scene.all_told(sent);
}
