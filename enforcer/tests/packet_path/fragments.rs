//! Fragments are judged by their first fragment.

use enforcer::datapath::frame::{self, Ipv4, Ipv6};
use enforcer_common::Reason;
use enforcer_common::parse::number;

use crate::link::{FRIEND, FRIEND_V6, Link, POD, POD_V6, TCP, UDP, ip, v4};

const MORE: u16 = 0x2000;

/// A fragment of a datagram from the friend; `field` is as on the wire.
fn fragment(identification: u16, protocol: u8, field: u16, payload: &[u8]) -> Vec<u8> {
    let header = Ipv4 {
        identification,
        fragment: field,
        ..Ipv4::new(v4(FRIEND), v4(POD), protocol)
    };
    frame::ethernet(number::IPV4, &header.packet(payload))
}

fn fragment_v6(identification: u8, offset: u16, more: bool, payload: &[u8]) -> Vec<u8> {
    fragment_v6_of(TCP, identification, offset, more, payload)
}

fn fragment_v6_of(
    next: u8,
    identification: u8,
    offset: u16,
    more: bool,
    payload: &[u8],
) -> Vec<u8> {
    let [high, low] = (offset << 3 | u16::from(more)).to_be_bytes();
    let mut body = vec![next, 0, high, low, 0, 0, 0, identification];
    body.extend(payload);
    let (std::net::IpAddr::V6(from), std::net::IpAddr::V6(to)) = (ip(FRIEND_V6), ip(POD_V6)) else {
        unreachable!("both are IPv6 addresses");
    };
    frame::ethernet(number::IPV6, &Ipv6::new(from, to, 44).packet(&body))
}

#[test]
fn later_fragments_go_the_way_of_the_first() {
    for (port, first, later) in [
        (80, Reason::Allowed, Reason::Established),
        (81, Reason::PolicyDenied, Reason::PolicyDenied),
    ] {
        let mut link = Link::isolated();
        let head = frame::tcp((40_000, port), frame::SYN);
        assert_eq!(link.gets(&fragment(7, TCP, MORE, &head)), first);
        assert_eq!(link.gets(&fragment(7, TCP, MORE | 3, &[0; 8])), later);
        assert_eq!(link.gets(&fragment(7, TCP, 4, &[0; 8])), later);
    }
}

#[test]
fn ipv6_fragments_too() {
    let mut link = Link::isolated();
    let head = frame::tcp((40_000, 80), frame::SYN);
    assert_eq!(link.gets(&fragment_v6(7, 0, true, &head)), Reason::Allowed);
    assert_eq!(
        link.gets(&fragment_v6(7, 3, false, &[0; 8])),
        Reason::Established
    );
    assert_eq!(
        link.gets(&fragment_v6(8, 3, false, &[0; 8])),
        Reason::FragmentUnknown
    );
}

#[test]
fn an_ipv6_packet_in_a_single_fragment_is_whole() {
    let mut link = Link::isolated();
    let head = frame::tcp((40_000, 80), frame::SYN);
    assert_eq!(link.gets(&fragment_v6(7, 0, false, &head)), Reason::Allowed);
    assert_eq!(
        link.gets(&fragment_v6(7, 3, false, &[0; 8])),
        Reason::FragmentUnknown
    );
}

#[test]
fn a_later_fragment_without_its_first_is_dropped() {
    let mut link = Link::isolated();
    assert_eq!(
        link.gets(&fragment(7, TCP, 3, &[0; 8])),
        Reason::FragmentUnknown
    );
}

#[test]
fn the_protocol_is_a_part_of_an_ipv4_datagrams_name() {
    let mut link = Link::isolated();
    let head = frame::tcp((40_000, 80), frame::SYN);
    assert_eq!(link.gets(&fragment(7, TCP, MORE, &head)), Reason::Allowed);
    assert_eq!(
        link.gets(&fragment(7, UDP, 3, &[0; 8])),
        Reason::FragmentUnknown
    );
}

#[test]
fn no_pod_speaks_for_another() {
    let mut link = Link::isolated();
    let head = frame::tcp((40_000, 80), frame::SYN);
    assert_eq!(link.gets(&fragment(7, TCP, MORE, &head)), Reason::Allowed);
    link.pod.id = 2;
    assert_eq!(
        link.gets(&fragment(7, TCP, 3, &[0; 8])),
        Reason::FragmentUnknown
    );
}

#[test]
fn a_first_fragment_too_short_for_the_header_hides_it() {
    let mut link = Link::isolated();
    let head = frame::tcp((40_000, 80), frame::SYN);
    assert_eq!(
        link.gets(&fragment(7, TCP, MORE, &head[..8])),
        Reason::FragmentEvasive
    );
    assert_eq!(
        link.gets(&fragment_v6(7, 0, true, &head[..16])),
        Reason::FragmentEvasive
    );
}

#[test]
fn a_later_fragment_that_would_overwrite_the_header_is_dropped() {
    let mut link = Link::isolated();
    let head = frame::tcp((40_000, 80), frame::SYN);
    assert_eq!(link.gets(&fragment(7, TCP, MORE, &head)), Reason::Allowed);
    for offset in [1, 2] {
        assert_eq!(
            link.gets(&fragment(7, TCP, offset, &[0; 8])),
            Reason::FragmentEvasive
        );
    }
}

#[test]
fn the_headers_that_nothing_may_overwrite_include_those_behind_the_fragment_header() {
    // Destination options, then a TCP header: 28 bytes.
    let mut head = vec![TCP, 0, 1, 4, 0, 0, 0, 0];
    head.extend(frame::tcp((40_000, 80), frame::SYN));
    head.extend([0; 4]);
    for (offset, expected) in [(3, Reason::FragmentEvasive), (4, Reason::Established)] {
        let mut link = Link::isolated();
        let first = fragment_v6_of(60, 7, 0, true, &head);
        assert_eq!(link.gets(&first), Reason::Allowed);
        let later = fragment_v6_of(60, 7, offset, false, &[0; 8]);
        assert_eq!(link.gets(&later), expected, "{offset}");
    }
}

#[test]
fn in_ipv6_the_first_fragment_alone_tells_the_protocol() {
    let mut link = Link::isolated();
    let head = frame::tcp((40_000, 81), frame::SYN);
    assert_eq!(
        link.gets(&fragment_v6(7, 0, true, &head)),
        Reason::PolicyDenied
    );
    let later = fragment_v6_of(UDP, 7, 3, false, &[0; 8]);
    assert_eq!(link.gets(&later), Reason::PolicyDenied);
}

#[test]
fn another_first_fragment_is_judged_for_itself_and_the_rest_goes_its_way() {
    let mut link = Link::isolated();
    let [allowed, denied] = [80, 81].map(|port| frame::tcp((40_000, port), frame::SYN));
    assert_eq!(
        link.gets(&fragment(7, TCP, MORE, &allowed)),
        Reason::Allowed
    );
    assert_eq!(
        link.gets(&fragment(7, TCP, MORE, &denied)),
        Reason::PolicyDenied
    );
    assert_eq!(
        link.gets(&fragment(7, TCP, 3, &[0; 8])),
        Reason::PolicyDenied
    );
}
