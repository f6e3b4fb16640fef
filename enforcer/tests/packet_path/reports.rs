//! What is counted and reported.

use enforcer::datapath::judge::LINK;
use enforcer_common::Reason;
use enforcer_common::abi::{Counter, Direction, Endpoint, EventKind, address};

use crate::link::{FRIEND, Link, POD, STRANGER, syn, v4};

#[test]
fn a_drop_is_counted_and_told_with_everything_that_names_it() {
    let mut link = Link::isolated();
    let packet = syn(STRANGER, POD, (40_000, 81));
    link.gets(&packet);
    let counter = link
        .memory
        .counter(Direction::Ingress, Reason::PolicyDenied);
    let bytes = packet.len() as u64;
    assert_eq!(counter, Counter { packets: 1, bytes });
    let [event] = link.memory.take_events().try_into().unwrap();
    assert_eq!((event.ifindex, event.endpoint), (LINK, 1));
    assert_eq!((event.source_port, event.destination_port), (40_000, 81));
    assert_eq!(event.source[..1], address::v4(v4(STRANGER)));
    assert_eq!(event.destination[..1], address::v4(v4(POD)));
    assert_eq!(EventKind::from_number(event.kind), Some(EventKind::Denied));
    assert_eq!(
        Reason::from_number(event.reason),
        Some(Reason::PolicyDenied)
    );
    assert_eq!(
        Direction::from_number(event.direction),
        Some(Direction::Ingress)
    );
    assert_eq!((event.set, event.identity, event.protocol), (1, 0, 6));
}

#[test]
fn a_connection_is_told_once() {
    let mut link = Link::isolated();
    for _ in 0..3 {
        link.gets(&syn(FRIEND, POD, (40_000, 80)));
    }
    let events = link.memory.take_events();
    assert_eq!(events.len(), 1);
    assert_eq!(
        EventKind::from_number(events[0].kind),
        Some(EventKind::Allowed)
    );
}

#[test]
fn audit_tells_what_would_have_been_dropped_and_why() {
    let mut link = Link::with(Endpoint::AUDIT);
    link.gets(&syn(STRANGER, POD, (40_000, 80)));
    let [event] = link.memory.take_events().try_into().unwrap();
    assert_eq!(EventKind::from_number(event.kind), Some(EventKind::Audit));
    assert_eq!(
        Reason::from_number(event.reason),
        Some(Reason::PolicyDenied)
    );
}

#[test]
fn an_open_pod_costs_no_counter() {
    let mut link = Link::open();
    assert_eq!(
        link.gets(&syn(STRANGER, POD, (40_000, 80))),
        Reason::NotIsolated
    );
    let counter = link.memory.counter(Direction::Ingress, Reason::NotIsolated);
    assert_eq!(counter, Counter::default());
}

#[test]
fn events_that_find_no_place_are_counted() {
    let mut link = Link::isolated();
    for port in 0..2000 {
        link.gets(&syn(STRANGER, POD, (40_000, port)));
    }
    let sent = link.memory.take_events().len() as u64;
    assert_eq!(sent + link.memory.suppressed(), 2000);
    assert!(link.memory.suppressed() > 0);
}
