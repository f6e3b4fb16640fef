//! New connections are judged once; what follows belongs to them until a policy changes.

use enforcer::datapath::frame::{ACK, FIN};
use enforcer_common::Reason;
use enforcer_common::abi::Direction::{Egress, Ingress};
use enforcer_common::abi::Endpoint;

use crate::link::{
    FRIEND, FRIEND_V6, Link, POD, POD_V6, SET_ALL, SET_NOTHING, STRANGER, syn, syn_ack, tcp, udp,
};

/// A connection from the friend to the pod's port 80.
fn connected() -> Link {
    let mut link = Link::isolated();
    assert_eq!(link.gets(&syn(FRIEND, POD, (40_000, 80))), Reason::Allowed);
    link
}

fn goes_on(link: &mut Link) -> Reason {
    link.gets(&tcp(FRIEND, POD, (40_000, 80), ACK))
}

fn answer(link: &mut Link) -> Reason {
    link.sends(&tcp(POD, FRIEND, (80, 40_000), ACK))
}

#[test]
fn a_connection_that_a_rule_allows_is_tracked() {
    for (friend, pod) in [(FRIEND, POD), (FRIEND_V6, POD_V6)] {
        let mut link = Link::isolated();
        assert_eq!(link.gets(&syn(friend, pod, (40_000, 80))), Reason::Allowed);
        assert_eq!(
            link.sends(&syn_ack(pod, friend, (80, 40_000))),
            Reason::Established
        );
        assert_eq!(
            link.gets(&tcp(friend, pod, (40_000, 80), ACK)),
            Reason::Established
        );
        assert_eq!(link.memory.flows(), 1);
    }
}

#[test]
fn a_connection_that_no_rule_allows_is_dropped_and_not_tracked() {
    let mut link = Link::isolated();
    assert_eq!(
        link.gets(&syn(FRIEND, POD, (40_000, 81))),
        Reason::PolicyDenied
    );
    assert_eq!(
        link.gets(&syn(STRANGER, POD, (40_000, 80))),
        Reason::PolicyDenied
    );
    assert_eq!(
        link.sends(&syn(POD, FRIEND, (40_000, 80))),
        Reason::PolicyDenied
    );
    assert_eq!(link.memory.flows(), 0);
}

#[test]
fn a_direction_without_policy_allows_and_tracks() {
    let mut link = Link::isolated();
    link.pod.sets[Egress.index()] = 0;
    assert_eq!(
        link.sends(&syn(POD, STRANGER, (40_000, 25))),
        Reason::NotIsolated
    );
    assert_eq!(
        link.gets(&syn_ack(STRANGER, POD, (25, 40_000))),
        Reason::Established
    );
}

#[test]
fn what_a_policy_change_denies_is_cut_at_the_next_packet_of_either_side() {
    for packet in [goes_on, answer] {
        let mut link = connected();
        link.change(Ingress, SET_NOTHING);
        assert_eq!(packet(&mut link), Reason::Revoked);
    }
}

#[test]
fn what_a_policy_change_still_allows_is_judged_once_more_and_goes_on() {
    let mut link = connected();
    link.change(Ingress, SET_ALL);
    assert_eq!(goes_on(&mut link), Reason::Allowed);
    assert_eq!(goes_on(&mut link), Reason::Established);
}

#[test]
fn a_change_of_the_other_directions_policy_does_not_touch_a_connection() {
    let mut link = connected();
    link.change(Egress, SET_NOTHING);
    assert_eq!(answer(&mut link), Reason::Established);
}

#[test]
fn a_set_without_a_new_revision_does_not_touch_a_connection() {
    let mut link = connected();
    link.pod.sets[Ingress.index()] = SET_ALL;
    assert_eq!(goes_on(&mut link), Reason::Established);
}

#[test]
fn a_later_pod_with_the_same_address_does_not_inherit_connections() {
    let mut link = connected();
    link.pod.id = 2;
    link.pod.sets[Ingress.index()] = SET_NOTHING;
    assert_eq!(goes_on(&mut link), Reason::PolicyDenied);
}

#[test]
fn an_endpoint_that_falls_to_deny_keeps_no_connection() {
    let mut link = connected();
    link.pod.flags |= Endpoint::DENY_ALL;
    assert_eq!(goes_on(&mut link), Reason::DoesNotFit);
}

#[test]
fn a_connection_from_the_other_side_with_the_same_ports_is_a_new_one() {
    let mut link = connected();
    assert_eq!(
        link.sends(&syn(POD, FRIEND, (80, 40_000))),
        Reason::PolicyDenied
    );
}

#[test]
fn a_datagram_of_an_allowed_exchange_is_forgotten_after_two_minutes() {
    let mut link = Link::isolated();
    assert_eq!(link.sends(&udp(POD, FRIEND, (40_000, 53))), Reason::Allowed);
    link.memory.advance(119);
    assert_eq!(
        link.gets(&udp(FRIEND, POD, (53, 40_000))),
        Reason::Established
    );
    link.memory.advance(121);
    assert_eq!(
        link.gets(&udp(FRIEND, POD, (53, 40_000))),
        Reason::PolicyDenied
    );
}

#[test]
fn a_tcp_connection_may_be_silent_for_days_until_it_is_closed() {
    let mut link = connected();
    link.memory.advance(400_000);
    assert_eq!(answer(&mut link), Reason::Established);
    assert_eq!(
        link.gets(&tcp(FRIEND, POD, (40_000, 80), FIN | ACK)),
        Reason::Established
    );
    link.memory.advance(121);
    link.change(Egress, SET_NOTHING);
    assert_eq!(answer(&mut link), Reason::PolicyDenied);
}
