//! Packets to services and to the own node pass `from_pod` deferred; the sender's policy is decided
//! where the real destination is known.

use enforcer::datapath::judge::{LINK, OTHER_LINK};
use enforcer_common::abi::{Counter, Direction, Endpoint, Peer};
use enforcer_common::packet::{Frame, Packet as _};
use enforcer_common::{Action, Reason};

use crate::link::{
    FRIEND, Link, NODE, POD, POD_V6, SET_ALL, SET_NOTHING, STRANGER, ip, syn, syn_ack, tcp, udp,
};

const SERVICE: &str = "10.96.0.1";
const SERVICE_V6: &str = "fd00:96::1";

/// A link that is no pod's.
const UPLINK: u32 = 9;

fn world() -> Link {
    let mut link = Link::isolated();
    for address in [SERVICE, SERVICE_V6] {
        let service = Peer {
            flags: Peer::SERVICE,
            ..Peer::default()
        };
        link.memory.tables.addresses.insert(ip(address), service);
    }
    link.pod.tag = LINK;
    link
}

/// The pod sends this; what becomes of it, and whether it is deferred.
fn sends(link: &mut Link, bytes: &[u8]) -> (Reason, bool) {
    let frame = frame(bytes, LINK, LINK);
    link.memory.links.insert(LINK, link.pod);
    let reason = link.memory.process(&frame, Direction::Egress);
    assert!(!frame.deferred() || frame.sender() == LINK);
    (reason, frame.deferred())
}

fn frame(bytes: &[u8], ifindex: u32, ingress_ifindex: u32) -> Frame<'_> {
    Frame {
        bytes,
        ifindex,
        ingress_ifindex,
        ..Frame::default()
    }
}

/// A packet of the pod that was deferred leaves by the uplink.
fn leaves(link: &Link, bytes: &[u8]) -> Reason {
    let frame = frame(bytes, UPLINK, LINK);
    frame.defer(LINK);
    let reason = link.memory.leave(&frame);
    let passes = reason.action() == Action::Pass;
    assert_eq!(frame.deferred(), !passes, "settled exactly when it passes");
    reason
}

#[test]
fn a_connection_to_a_service_is_deferred_packet_by_packet() {
    let mut link = world();
    let opening = syn(POD, SERVICE, (40_000, 80));
    assert_eq!(sends(&mut link, &opening), (Reason::Deferred, true));
    assert_eq!(
        link.gets(&syn_ack(SERVICE, POD, (80, 40_000))),
        Reason::Established
    );
    let data = tcp(POD, SERVICE, (40_000, 80), 0x10);
    assert_eq!(sends(&mut link, &data), (Reason::Established, true));
    // From the flow cache, too.
    assert_eq!(sends(&mut link, &data), (Reason::Established, true));
    let end = tcp(POD, SERVICE, (40_000, 80), 0x11);
    assert_eq!(sends(&mut link, &end), (Reason::Established, true));
    assert_eq!(sends(&mut link, &data), (Reason::Established, true));
}

#[test]
fn what_goes_to_other_pods_is_not_deferred() {
    let mut link = world();
    let opening = syn(POD, FRIEND, (40_000, 443));
    assert_eq!(sends(&mut link, &opening), (Reason::Allowed, false));
}

#[test]
fn behind_the_service_the_real_destination_decides() {
    let mut link = world();
    sends(&mut link, &syn(POD, SERVICE, (40_000, 80)));
    assert_eq!(
        leaves(&link, &syn(POD, FRIEND, (40_000, 443))),
        Reason::Allowed
    );
    assert_eq!(
        leaves(&link, &tcp(POD, FRIEND, (40_000, 443), 0x10)),
        Reason::Established
    );
    assert_eq!(
        leaves(&link, &syn(POD, FRIEND, (40_001, 8080))),
        Reason::PolicyDenied
    );
    assert_eq!(
        leaves(&link, &syn(POD, STRANGER, (40_002, 443))),
        Reason::PolicyDenied
    );
    // The node's address in the place of the pod's.
    assert_eq!(
        leaves(&link, &syn(NODE, FRIEND, (1_025, 443))),
        Reason::Allowed
    );
    // A port of the service that nobody translates.
    assert_eq!(
        leaves(&link, &syn(POD, SERVICE, (40_003, 81))),
        Reason::PolicyDenied
    );
}

#[test]
fn what_nobody_translates_is_decided_although_its_flow_is_known_as_deferred() {
    let mut link = world();
    let opening = syn(POD, SERVICE, (40_000, 81));
    let data = tcp(POD, SERVICE, (40_000, 81), 0x10);
    for packet in [&opening, &data, &data] {
        assert!(sends(&mut link, packet).1);
        assert_eq!(leaves(&link, packet), Reason::PolicyDenied);
    }
    // A block with the address allows it.
    link.change(Direction::Egress, SET_ALL);
    assert_eq!(sends(&mut link, &opening), (Reason::Deferred, true));
    assert_eq!(leaves(&link, &opening), Reason::Allowed);
    for _ in 0..2 {
        assert_eq!(sends(&mut link, &data), (Reason::Established, true));
        assert_eq!(leaves(&link, &data), Reason::Established);
    }
    link.change(Direction::Egress, SET_NOTHING);
    for _ in 0..2 {
        assert!(sends(&mut link, &data).1);
        assert_eq!(leaves(&link, &data), Reason::PolicyDenied);
    }
}

#[test]
fn a_changed_policy_cuts_the_flow_behind_the_service() {
    let mut link = world();
    let opening = syn(POD, SERVICE, (40_000, 80));
    let data = tcp(POD, SERVICE, (40_000, 80), 0x10);
    let behind = tcp(POD, FRIEND, (40_000, 443), 0x10);
    sends(&mut link, &opening);
    assert_eq!(
        leaves(&link, &syn(POD, FRIEND, (40_000, 443))),
        Reason::Allowed
    );
    link.change(Direction::Egress, SET_NOTHING);
    assert_eq!(sends(&mut link, &data), (Reason::Deferred, true));
    assert_eq!(leaves(&link, &behind), Reason::Revoked);
}

#[test]
fn a_connection_through_a_service_that_is_deleted_is_still_judged_behind_it() {
    let mut link = world();
    sends(&mut link, &syn(POD, SERVICE, (40_000, 80)));
    link.memory.tables.addresses.remove(&ip(SERVICE));
    let set = link.pod.sets[Direction::Egress.index()];
    link.change(Direction::Egress, set);
    let data = tcp(POD, SERVICE, (40_000, 80), 0x10);
    assert_eq!(sends(&mut link, &data), (Reason::Deferred, true));
    assert_eq!(sends(&mut link, &data), (Reason::Established, true));
    // A new one is like any other.
    assert_eq!(
        sends(&mut link, &syn(POD, SERVICE, (40_001, 80))),
        (Reason::PolicyDenied, false)
    );
}

#[test]
fn a_connection_to_a_service_from_before_is_the_pods_own_whatever_its_ports() {
    let mut link = world();
    let (data, answer) = (
        tcp(POD, SERVICE, (1_000, 50_000), 0x10),
        tcp(SERVICE, POD, (50_000, 1_000), 0x10),
    );
    assert_eq!(link.gets(&answer), Reason::Deferred);
    assert_eq!(sends(&mut link, &data), (Reason::Deferred, true));
    assert_eq!(link.gets(&answer), Reason::Established);
}

#[test]
fn what_goes_to_the_own_node_is_deferred_because_a_pod_may_be_behind_it() {
    let mut link = world();
    let node_port = syn(POD, NODE, (40_000, 30_080));
    assert_eq!(sends(&mut link, &node_port), (Reason::OwnNode, true));
    // The answer of the pod behind it comes from that pod's link.
    assert_eq!(
        link.gets(&syn_ack(NODE, POD, (30_080, 40_000))),
        Reason::Established
    );
    assert_eq!(
        sends(&mut link, &udp(POD, NODE, (40_000, 53))),
        (Reason::OwnNode, true)
    );
    // An answer opens nothing.
    let flows = link.memory.flows();
    assert_eq!(
        sends(&mut link, &syn_ack(POD, NODE, (10, 50_000))),
        (Reason::OwnNode, true)
    );
    assert_eq!(link.memory.flows(), flows);
}

#[test]
fn a_pod_that_only_its_ingress_isolates_is_deferred_but_not_denied() {
    let mut link = world();
    link.pod.sets[Direction::Egress.index()] = 0;
    let opening = syn(POD, SERVICE, (40_000, 80));
    assert_eq!(sends(&mut link, &opening), (Reason::NotIsolated, true));
    assert_eq!(
        leaves(&link, &syn(POD, STRANGER, (40_000, 443))),
        Reason::NotIsolated
    );
}

#[test]
fn a_pod_reaches_itself_through_a_service() {
    let mut link = world();
    for to in [SERVICE, SERVICE_V6] {
        let own = if to == SERVICE { POD } else { POD_V6 };
        let (_, deferred) = sends(&mut link, &syn(own, to, (40_000, 80)));
        assert!(deferred);
    }
    let translated = syn(NODE, POD, (1_025, 8080));
    // Through a bridge: the ingress link is the bridge's, and the sender is known by its tag.
    for (ingress, tag) in [(LINK, 0), (UPLINK, LINK)] {
        let at_bridge = frame(&translated, UPLINK, ingress);
        at_bridge.defer(tag);
        assert_eq!(link.memory.leave(&at_bridge), Reason::OwnPod);
        assert!(at_bridge.deferred(), "its own link must know too");
        let at_pod = frame(&translated, LINK, ingress);
        at_pod.defer(tag);
        assert_eq!(
            link.memory.process(&at_pod, Direction::Ingress),
            Reason::OwnPod
        );
    }
}

#[test]
fn what_is_for_the_pod_or_its_node_does_not_go_to_another_pod() {
    let mut link = world();
    let other = Endpoint { id: 2, ..link.pod };
    for (to, expected) in [(POD, Reason::OwnPod), (NODE, Reason::OwnNode)] {
        let datagram = udp(POD, to, (40_000, 54));
        assert_eq!(sends(&mut link, &datagram), (expected, true), "{to}");
        // A broadcast frame goes out of the bridge too, where there is no pod.
        let at_bridge = frame(&datagram, UPLINK, LINK);
        at_bridge.defer(LINK);
        assert_eq!(link.memory.leave(&at_bridge), expected, "{to}");
        link.memory.links.insert(OTHER_LINK, other);
        let at_other = frame(&datagram, OTHER_LINK, LINK);
        at_other.defer(LINK);
        let reason = link.memory.leave(&at_other);
        assert_eq!(reason, Reason::PolicyDenied, "{to}");
    }
}

#[test]
fn towards_another_pod_both_policies_count() {
    let mut link = world();
    sends(&mut link, &syn(POD, SERVICE, (40_000, 80)));
    let backend = Endpoint {
        id: 2,
        v4: [u32::from_ne_bytes([10, 0, 0, 2])],
        sets: [SET_NOTHING, 0],
        ..link.pod
    };
    link.memory.links.insert(OTHER_LINK, backend);
    let arrives = |port| {
        let bytes = syn(POD, FRIEND, (40_000, port));
        let frame = frame(&bytes, OTHER_LINK, LINK);
        frame.defer(LINK);
        link.memory.process(&frame, Direction::Ingress)
    };
    assert_eq!(arrives(8080), Reason::PolicyDenied);
    assert_eq!(
        link.memory
            .counter(Direction::Ingress, Reason::PolicyDenied),
        Counter::default(),
        "the sender's policy denied it, and the backend's was not asked"
    );
    assert_eq!(arrives(443), Reason::PolicyDenied);
    let denied = link
        .memory
        .counter(Direction::Ingress, Reason::PolicyDenied);
    assert_eq!(denied.packets, 1, "the backend's own policy denied it");
}

#[test]
fn a_deferred_packet_of_nobody_is_dropped_and_reported() {
    let link = world();
    let bytes = syn(POD, FRIEND, (40_000, 443));
    let frame = frame(&bytes, UPLINK, 77);
    frame.defer(78);
    assert_eq!(link.memory.leave(&frame), Reason::Undecided);
    assert_eq!(link.memory.take_events().len(), 1);
}

#[test]
fn the_report_of_a_late_decision_names_the_senders_link() {
    let mut link = world();
    sends(&mut link, &syn(POD, SERVICE, (40_000, 80)));
    link.memory.take_events();
    leaves(&link, &syn(NODE, STRANGER, (1_025, 443)));
    let events = link.memory.take_events();
    let [event] = events.as_slice() else {
        panic!("{events:?}")
    };
    assert_eq!((event.ifindex, event.endpoint), (LINK, link.pod.id));
    assert_eq!(event.hook, Direction::Egress as u8);
}

#[test]
fn a_pod_that_is_held_defers_nothing_but_to_its_node() {
    let mut link = world();
    link.pod.flags |= Endpoint::DENY_ALL;
    assert_eq!(
        sends(&mut link, &syn(POD, SERVICE, (40_000, 80))),
        (Reason::DoesNotFit, false)
    );
    assert_eq!(
        sends(&mut link, &syn(POD, NODE, (40_000, 80))),
        (Reason::OwnNode, true)
    );
    assert_eq!(
        leaves(&link, &syn(POD, FRIEND, (40_000, 443))),
        Reason::DoesNotFit
    );
}

#[test]
fn the_state_of_a_deferred_flow_survives_its_end_and_a_new_beginning() {
    let mut link = world();
    let opening = syn(POD, SERVICE, (40_000, 80));
    sends(&mut link, &opening);
    sends(&mut link, &tcp(POD, SERVICE, (40_000, 80), 0x14));
    assert_eq!(sends(&mut link, &opening), (Reason::Established, true));
}
