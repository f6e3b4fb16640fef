//! ICMP errors pass when they are about a tracked connection.

use enforcer::datapath::frame;
use enforcer_common::Reason;
use enforcer_common::abi::Direction;

use crate::link::{
    FRIEND, FRIEND_V6, Link, POD, POD_V6, SET_NOTHING, STRANGER, STRANGER_V6, packet, syn, udp,
};

/// An error from a router about `quoted`, a frame.
fn error(from: &str, to: &str, quoted: &[u8]) -> Vec<u8> {
    let quote = &quoted[14..];
    if from.contains(':') {
        return packet(from, to, 58, &frame::icmp(2, 0, 0, quote));
    }
    packet(from, to, 1, &frame::icmp(3, 4, 0, &quote[..28]))
}

#[test]
fn the_pod_hears_errors_about_what_it_sent() {
    for (pod, friend, router) in [(POD, FRIEND, STRANGER), (POD_V6, FRIEND_V6, STRANGER_V6)] {
        let mut link = Link::isolated();
        let sent = udp(pod, friend, (40_000, 53));
        assert_eq!(link.sends(&sent), Reason::Allowed);
        assert_eq!(link.gets(&error(router, pod, &sent)), Reason::RelatedError);
    }
}

#[test]
fn the_pod_sends_errors_about_what_it_received() {
    let mut link = Link::isolated();
    let received = syn(FRIEND, POD, (40_000, 80));
    assert_eq!(link.gets(&received), Reason::Allowed);
    assert_eq!(
        link.sends(&error(POD, FRIEND, &received)),
        Reason::RelatedError
    );
}

#[test]
fn an_error_about_a_connection_that_is_not_tracked_needs_a_rule() {
    let mut link = Link::isolated();
    let never_sent = udp(POD, FRIEND, (40_001, 53));
    assert_eq!(
        link.gets(&error(STRANGER, POD, &never_sent)),
        Reason::PolicyDenied
    );
}

#[test]
fn an_error_about_somebody_elses_connection_needs_a_rule() {
    let mut link = Link::isolated();
    assert_eq!(link.sends(&udp(POD, FRIEND, (40_000, 53))), Reason::Allowed);
    let others = udp(STRANGER, FRIEND, (40_000, 53));
    assert_eq!(
        link.gets(&error(STRANGER, POD, &others)),
        Reason::PolicyDenied
    );
}

#[test]
fn an_error_about_a_revoked_connection_needs_a_rule() {
    let mut link = Link::isolated();
    let sent = udp(POD, FRIEND, (40_000, 53));
    assert_eq!(link.sends(&sent), Reason::Allowed);
    link.change(Direction::Egress, SET_NOTHING);
    assert_eq!(
        link.gets(&error(STRANGER, POD, &sent)),
        Reason::PolicyDenied
    );
}

#[test]
fn the_quote_must_be_the_pods_own_half_of_the_connection() {
    let mut link = Link::isolated();
    let sent = udp(POD, FRIEND, (40_000, 53));
    assert_eq!(link.sends(&sent), Reason::Allowed);
    let answer = udp(FRIEND, POD, (53, 40_000));
    assert_eq!(
        link.gets(&error(STRANGER, POD, &answer)),
        Reason::PolicyDenied
    );
}

#[test]
fn an_error_about_an_echo_request_passes() {
    let mut link = Link::isolated();
    link.pod.sets[1] = crate::link::SET_ALL;
    let request = packet(POD, STRANGER, 1, &frame::icmp(8, 0, 5, &[]));
    assert_eq!(link.sends(&request), Reason::Allowed);
    assert_eq!(
        link.gets(&error(FRIEND, POD, &request)),
        Reason::RelatedError
    );
}

#[test]
fn a_quote_that_is_cut_off_is_no_quote() {
    let mut link = Link::isolated();
    let sent = udp(POD, FRIEND, (40_000, 53));
    assert_eq!(link.sends(&sent), Reason::Allowed);
    for length in 0..28 {
        let short = packet(
            STRANGER,
            POD,
            1,
            &frame::icmp(3, 4, 0, &sent[14..14 + length]),
        );
        assert_eq!(link.gets(&short), Reason::PolicyDenied, "{length}");
    }
}
