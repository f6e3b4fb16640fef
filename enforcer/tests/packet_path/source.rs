//! What a pod sends must come from its own addresses.

use enforcer::datapath::frame;
use enforcer_common::Reason;
use enforcer_common::abi::{Direction, Endpoint};

use crate::link::{FRIEND, FRIEND_V6, Link, POD, POD_V6, SET_ALL, STRANGER, STRANGER_V6, udp};

#[test]
fn a_source_that_is_not_the_pods_is_dropped_isolated_or_not() {
    for (source, to) in [
        (STRANGER, FRIEND),
        (STRANGER_V6, FRIEND_V6),
        ("0.0.0.0", FRIEND),
    ] {
        for mut link in [Link::isolated(), Link::open()] {
            assert_eq!(
                link.sends(&udp(source, to, (40_000, 53))),
                Reason::Spoofed,
                "{source}"
            );
        }
    }
}

#[test]
fn a_spoofed_packet_does_not_use_a_connection_of_the_address() {
    let mut link = Link::isolated();
    assert_eq!(link.sends(&udp(POD, FRIEND, (40_000, 53))), Reason::Allowed);
    assert_eq!(
        link.sends(&udp(STRANGER, FRIEND, (40_000, 53))),
        Reason::Spoofed
    );
}

#[test]
fn a_pod_without_an_address_of_a_family_may_not_send_from_its_zeroes() {
    let mut link = Link::open();
    link.pod.v4 = [0];
    assert_eq!(
        link.sends(&udp("0.0.0.0", FRIEND, (40_000, 53))),
        Reason::Spoofed
    );
}

#[test]
fn a_link_local_source_is_the_pods_and_policies_hold_for_it() {
    let mut link = Link::isolated();
    let packet = udp("fe80::1", FRIEND_V6, (40_000, 54));
    assert_eq!(link.sends(&packet), Reason::PolicyDenied);
    link.change(Direction::Egress, SET_ALL);
    assert_eq!(link.sends(&packet), Reason::Allowed);
}

#[test]
fn an_exempted_pod_sends_from_any_address() {
    for mut link in [Link::isolated(), Link::open()] {
        link.pod.flags &= !Endpoint::CHECK_SOURCE;
        let reason = link.sends(&udp(STRANGER, FRIEND, (40_000, 53)));
        assert_eq!(reason.action(), enforcer_common::Action::Pass);
    }
}

#[test]
fn an_open_pod_sends_what_it_likes_from_its_own_addresses() {
    let mut link = Link::open();
    assert_eq!(link.sends(&udp(POD, STRANGER, (1, 1))), Reason::NotIsolated);
    assert_eq!(
        link.sends(&udp(POD_V6, STRANGER_V6, (1, 1))),
        Reason::NotIsolated
    );
    assert_eq!(
        link.sends(&frame::ethernet(0x88cc, &[0; 20])),
        Reason::NotIsolated
    );
    assert_eq!(link.memory.flows(), 0);
}

#[test]
fn an_open_pod_cannot_hide_its_source_behind_a_tag_or_a_cut() {
    let mut link = Link::open();
    let packet = udp(POD, STRANGER, (1, 1));
    assert_eq!(link.sends(&packet[..28]), Reason::Malformed);
    assert_eq!(
        link.sends(&frame::ethernet(0x8100, &packet[12..])),
        Reason::VlanTagged
    );
}
