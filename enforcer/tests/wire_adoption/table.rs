//! The kernel's table itself, and what happens while it is read.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Instant;

use enforcer::datapath::conntrack::dump::{self, Extent};
use enforcer::datapath::conntrack::{Entry, Part};
use enforcer_lab::{LabError, Namespace, Protocol, Server};
use serde_json::json;

use crate::common::echo::Echo;
use crate::common::live::Live;
use crate::common::{LONG, app, serve};
use crate::talk::Talk;
use crate::world::{denied, isolate, open_all, tracked};

/// The connections in a part of a namespace's table, without their states, which may change.
fn read(node: &Namespace, part: Part) -> BTreeSet<String> {
    let mut entries = BTreeSet::new();
    node.run(|| {
        let extent = dump::entries(part, Instant::now() + LONG, |entry| {
            entries.insert(name(&entry));
        });
        match extent {
            Ok(Extent::Whole) => Ok(()),
            other => Err(LabError::Socket {
                what: format!("read the table: {other:?}"),
                source: std::io::ErrorKind::Other.into(),
            }),
        }
    })
    .unwrap();
    entries
}

fn name(entry: &Entry) -> String {
    let Entry {
        protocol,
        original,
        reply,
        ..
    } = entry;
    format!("{protocol} {original:?} {reply:?}")
}

/// The kernel leaves out what is not asked for, and nothing else: pods rest on its filter.
#[test]
fn the_parts_of_the_table_hold_what_they_are_asked_for() {
    let (node, [db, friend]) = tracked(["db", "friend"]);
    let _talks = [
        open_all(Talk::tcp, &db, &friend, 0),
        open_all(Talk::udp, &friend, &db, 100),
    ];
    let count = node.lab.node.run(|| Ok(dump::count())).unwrap();
    let whole = read(&node.lab.node, Part::Whole);
    let enough = count.is_some_and(|count| count >= 32) && whole.len() >= 32;
    assert!(enough, "{count:?} {whole:?}");
    let IpAddr::V4(address) = db.v4().unwrap() else {
        panic!("an IPv4 address");
    };
    let source = format!("source: {address},");
    let opened = |entry: &&String| entry.find(&source).is_some_and(|at| at < 30);
    let (by, to): (BTreeSet<_>, BTreeSet<_>) = whole
        .iter()
        .filter(|entry| entry.contains(&source))
        .cloned()
        .partition(|entry| opened(&entry));
    assert!(by.len() >= 8 && to.len() >= 8, "{by:?} {to:?}");
    assert_eq!(read(&node.lab.node, Part::OpenedBy(address)), by);
    assert_eq!(read(&node.lab.node, Part::OpenedTo(address)), to);
    let v6 = whole.iter().filter(|entry| entry.contains("fd00:"));
    let all_v6 = read(&node.lab.node, Part::V6);
    assert!(v6.clone().count() >= 16);
    assert!(v6.into_iter().all(|entry| all_v6.contains(entry)));
    assert!(!all_v6.iter().any(|entry| entry.contains(&source)));
}

/// Connections that are used all the time, and are opened all the time, while their pod becomes
/// isolated and free again and again.
#[test]
fn isolation_again_and_again_under_load_loses_nothing_that_is_allowed() {
    let (node, [db, friend]) = tracked(["db", "friend"]);
    // A server at a port that looks like a client's.
    let _servers = [serve(&db, 40_000), serve(&friend, 40_000)];
    let _udp = [&db, &friend].map(|pod| Server::start(pod, Protocol::Udp, 40_000).unwrap());
    let (db_at, friend_at) = (db.v4().unwrap(), friend.v4().unwrap());
    let lives = [
        Live::open("db → friend", &db, friend_at, 40_000),
        Live::open("db → friend, IPv6", &db, friend.v6().unwrap(), 40_000),
    ];
    let echo = Echo::open("db → friend", &db, (friend_at, 40_000).into());
    let forbidden = isolate("Ingress", &json!([]));
    let allowed = isolate("Ingress", &json!([{"from": [app("friend")]}]));
    for round in 0..6 {
        let policy = if round % 2 == 0 { &forbidden } else { &allowed };
        node.put(policy);
        node.settle();
        let late = Live::open("db → friend, while isolated", &db, friend_at, 40_000);
        for live in lives.iter().chain([&late]) {
            live.goes_on();
        }
        echo.goes_on();
        if round % 2 == 1 {
            let incoming = Live::open("friend → db", &friend, db_at, 40_000);
            incoming.goes_on();
        }
        node.delete(policy);
        node.settle();
    }
    assert_eq!(denied(&node), 0);
}
