//! Who opened it? What looks like an answer is none when nobody asked.

use enforcer::datapath::frame::{self, ACK};
use enforcer_common::Reason;
use enforcer_common::abi::Direction::{Egress, Ingress};

use crate::link::{
    FRIEND, FRIEND_V6, Link, POD, POD_V6, SCTP, SET_ALL, SET_NOTHING, STRANGER, packet, syn_ack,
    tcp, udp,
};

#[test]
fn an_answer_that_nobody_asked_for_is_judged_as_a_new_connection() {
    let mut link = Link::isolated();
    assert_eq!(
        link.gets(&udp(FRIEND, POD, (53, 40_000))),
        Reason::PolicyDenied
    );
    assert_eq!(
        link.gets(&syn_ack(STRANGER, POD, (443, 40_000))),
        Reason::PolicyDenied
    );
}

#[test]
fn a_segment_from_the_middle_that_looks_like_a_clients_is_the_pods_own_connection() {
    let mut link = Link::isolated();
    assert_eq!(
        link.sends(&tcp(POD, FRIEND, (40_000, 443), ACK)),
        Reason::Allowed
    );
    assert_eq!(
        link.gets(&tcp(FRIEND, POD, (443, 40_000), ACK)),
        Reason::Established
    );
}

#[test]
fn a_segment_from_the_middle_that_looks_like_a_servers_needs_both_directions() {
    let answer = tcp(POD, FRIEND, (80, 40_000), ACK);
    for (sets, expected) in [
        ([SET_ALL, SET_ALL], Reason::Allowed),
        ([SET_NOTHING, SET_ALL], Reason::PolicyDenied),
        ([SET_ALL, SET_NOTHING], Reason::PolicyDenied),
    ] {
        let mut link = Link::isolated();
        link.pod.sets = sets;
        assert_eq!(link.sends(&answer), expected, "{sets:?}");
    }
}

#[test]
fn a_segment_from_the_middle_to_what_looks_like_the_client_is_of_the_pods_own_connection() {
    let answer = tcp(FRIEND, POD, (443, 40_000), ACK);
    for (sets, expected) in [
        ([SET_NOTHING, SET_ALL], Reason::Allowed),
        ([SET_ALL, SET_NOTHING], Reason::PolicyDenied),
    ] {
        let mut link = Link::isolated();
        link.pod.sets = sets;
        assert_eq!(link.gets(&answer), expected, "{sets:?}");
        // Only what the pod sends makes a connection its own.
        assert_eq!(link.memory.flows(), 0, "{sets:?}");
    }
}

#[test]
fn a_segment_from_the_middle_between_ports_that_tell_nothing_needs_both_directions() {
    for (sets, expected) in [
        ([SET_ALL, SET_ALL], Reason::Allowed),
        ([SET_NOTHING, SET_ALL], Reason::PolicyDenied),
        ([SET_ALL, SET_NOTHING], Reason::PolicyDenied),
    ] {
        for ports in [(50_051, 40_000), (2049, 800)] {
            let mut link = Link::isolated();
            link.pod.sets = sets;
            let answer = tcp(FRIEND, POD, ports, ACK);
            assert_eq!(link.gets(&answer), expected, "{sets:?} {ports:?}");
        }
    }
}

#[test]
fn an_echo_is_answered_and_does_not_open_the_other_direction() {
    for (friend, pod, protocol, request, reply) in
        [(FRIEND, POD, 1, 8, 0), (FRIEND_V6, POD_V6, 58, 128, 129)]
    {
        let mut link = Link::isolated();
        link.pod.sets[Egress.index()] = SET_ALL;
        link.pod.sets[Ingress.index()] = SET_NOTHING;
        let echo =
            |from, to, message| packet(from, to, protocol, &frame::icmp(message, 0, 77, &[]));
        assert_eq!(link.sends(&echo(pod, friend, request)), Reason::Allowed);
        assert_eq!(link.gets(&echo(friend, pod, reply)), Reason::Established);
        assert_eq!(link.gets(&echo(friend, pod, request)), Reason::PolicyDenied);
    }
}

#[test]
fn other_icmp_messages_are_judged_one_by_one() {
    let mut link = Link::isolated();
    link.pod.sets[Egress.index()] = SET_ALL;
    let timestamp = |from, to, message| packet(from, to, 1, &frame::icmp(message, 0, 77, &[]));
    assert_eq!(link.sends(&timestamp(POD, FRIEND, 13)), Reason::Allowed);
    assert_eq!(link.gets(&timestamp(FRIEND, POD, 14)), Reason::PolicyDenied);
    assert_eq!(link.memory.flows(), 0);
}

#[test]
fn an_sctp_association_has_a_direction_too() {
    let mut link = Link::isolated();
    link.pod.sets[Ingress.index()] = SET_ALL;
    let chunk = |from, to, ports, kind| packet(from, to, SCTP, &frame::sctp(ports, kind));
    assert_eq!(
        link.gets(&chunk(FRIEND, POD, (5000, 80), frame::SCTP_INIT)),
        Reason::Allowed
    );
    assert_eq!(
        link.sends(&chunk(POD, FRIEND, (80, 5000), 2)),
        Reason::Established
    );
    assert_eq!(
        link.sends(&chunk(POD, FRIEND, (80, 5000), frame::SCTP_INIT)),
        Reason::PolicyDenied
    );
}

#[test]
fn a_protocol_without_ports_is_tracked_by_its_addresses() {
    let mut link = Link::isolated();
    link.pod.sets[Ingress.index()] = SET_ALL;
    assert_eq!(
        link.gets(&packet(FRIEND, POD, 47, &[0; 8])),
        Reason::Allowed
    );
    assert_eq!(
        link.sends(&packet(POD, FRIEND, 47, &[0; 8])),
        Reason::Established
    );
    assert_eq!(
        link.sends(&packet(POD, STRANGER, 47, &[0; 8])),
        Reason::PolicyDenied
    );
}
