//! ICMP errors pass when they are about a tracked connection.

use enforcer::datapath::frame::{self, Ipv4};
use enforcer_common::Reason;
use enforcer_common::abi::Direction;

use crate::link::{
    FRIEND, FRIEND_V6, Link, POD, POD_V6, SET_NOTHING, STRANGER, STRANGER_V6, packet, syn, udp, v4,
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
fn an_error_about_an_echo_reply_passes() {
    for (pod, friend, protocol, request, reply) in
        [(POD, FRIEND, 1, 8, 0), (POD_V6, FRIEND_V6, 58, 128, 129)]
    {
        let mut link = Link::isolated();
        link.pod.sets[0] = crate::link::SET_ALL;
        let echo = |from, to, message| packet(from, to, protocol, &frame::icmp(message, 0, 5, &[]));
        assert_eq!(link.gets(&echo(friend, pod, request)), Reason::Allowed);
        let answer = echo(pod, friend, reply);
        assert_eq!(link.sends(&answer), Reason::Established);
        let about = error(friend, pod, &answer);
        assert_eq!(link.gets(&about), Reason::RelatedError, "{pod}");
        // The pod never asked with this identifier: only the rule lets this in.
        let about = error(friend, pod, &echo(pod, friend, request));
        assert_eq!(link.gets(&about), Reason::Allowed, "{pod}");
    }
}

#[test]
fn an_error_goes_to_whom_the_quoted_packet_came_from() {
    for (pod, friend, other) in [(POD, FRIEND, STRANGER), (POD_V6, FRIEND_V6, STRANGER_V6)] {
        let mut link = Link::isolated();
        let received = syn(friend, pod, (40_000, 80));
        assert_eq!(link.gets(&received), Reason::Allowed);
        let carried = error(pod, other, &received);
        assert_eq!(link.sends(&carried), Reason::PolicyDenied, "{pod}");
    }
}

#[test]
fn redirects_and_source_quenches_are_no_errors_about_a_packet() {
    let mut link = Link::isolated();
    let sent = udp(POD, FRIEND, (40_000, 53));
    assert_eq!(link.sends(&sent), Reason::Allowed);
    for (message, expected) in [
        (3, Reason::RelatedError),
        (4, Reason::PolicyDenied),
        (5, Reason::PolicyDenied),
        (11, Reason::RelatedError),
        (12, Reason::RelatedError),
        (13, Reason::PolicyDenied),
    ] {
        let body = frame::icmp(message, 0, 0, &sent[14..]);
        let reason = link.gets(&packet(STRANGER, POD, 1, &body));
        assert_eq!(reason, expected, "{message}");
    }
}

/// "Packet too big" about a fragment of a datagram: its fragment header's field, then its payload.
fn too_big(field: u16, payload: &[u8]) -> Vec<u8> {
    let [high, low] = field.to_be_bytes();
    let fragment = [&[17, 0, high, low, 0, 0, 0, 9][..], payload].concat();
    let quoted = packet(POD_V6, FRIEND_V6, 44, &fragment);
    error(STRANGER_V6, POD_V6, &quoted)
}

#[test]
fn an_error_about_a_first_fragment_passes_and_about_a_later_one_needs_a_rule() {
    let mut link = Link::isolated();
    let datagram = frame::udp((40_000, 53), &[0; 16]);
    let sent = packet(POD_V6, FRIEND_V6, 17, &datagram);
    assert_eq!(link.sends(&sent), Reason::Allowed);
    assert_eq!(link.gets(&too_big(1, &datagram)), Reason::RelatedError);
    assert_eq!(link.gets(&too_big(9, &datagram)), Reason::PolicyDenied);

    let sent = udp(POD, FRIEND, (40_000, 53));
    assert_eq!(link.sends(&sent), Reason::Allowed);
    for (field, expected) in [
        (0x2000, Reason::RelatedError),
        (0x2001, Reason::PolicyDenied),
    ] {
        let header = Ipv4 {
            fragment: field,
            ..Ipv4::new(v4(POD), v4(FRIEND), 17)
        };
        let quoted = header.packet(&frame::udp((40_000, 53), &[]));
        let about = packet(STRANGER, POD, 1, &frame::icmp(3, 4, 0, &quoted));
        assert_eq!(link.gets(&about), expected, "{field:x}");
    }
}

#[test]
fn a_quote_with_options_is_read_behind_them_and_one_without_a_whole_header_is_none() {
    let mut link = Link::isolated();
    assert_eq!(link.sends(&udp(POD, FRIEND, (40_000, 53))), Reason::Allowed);
    let header = Ipv4 {
        options: &[148, 4, 0, 0],
        ..Ipv4::new(v4(POD), v4(FRIEND), 17)
    };
    let mut quoted = header.packet(&frame::udp((40_000, 53), &[]));
    let about = |quoted: &[u8]| packet(STRANGER, POD, 1, &frame::icmp(3, 4, 0, quoted));
    assert_eq!(link.gets(&about(&quoted)), Reason::RelatedError);
    quoted[0] = 0x44;
    assert_eq!(link.gets(&about(&quoted)), Reason::PolicyDenied);
}

#[test]
fn a_quote_in_the_padding_is_no_quote() {
    let mut link = Link::isolated();
    let sent = udp(POD, FRIEND, (40_000, 53));
    assert_eq!(link.sends(&sent), Reason::Allowed);
    let quote = &sent[14..];
    let mut short = packet(STRANGER, POD, 1, &frame::icmp(3, 4, 0, &quote[..20]));
    short.extend(&quote[20..]);
    assert_eq!(link.gets(&short), Reason::PolicyDenied);
}

#[test]
fn an_error_about_an_error_needs_a_rule() {
    let mut link = Link::isolated();
    let sent = udp(POD, FRIEND, (40_000, 53));
    assert_eq!(link.sends(&sent), Reason::Allowed);
    let first = error(STRANGER, POD, &sent);
    assert_eq!(link.gets(&first), Reason::RelatedError);
    assert_eq!(
        link.gets(&error(STRANGER, POD, &first)),
        Reason::PolicyDenied
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
