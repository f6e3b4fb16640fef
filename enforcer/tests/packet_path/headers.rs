//! Headers: what is walked, what cannot be judged, what contradicts itself.

use std::net::IpAddr;

use enforcer::datapath::frame::{self, Ipv4, Ipv6};
use enforcer::datapath::judge::OTHER_LINK;
use enforcer_common::Reason;
use enforcer_common::abi::Direction;
use enforcer_common::abi::limits::{EXTENSION_HEADERS, IPV4_OPTIONS};
use enforcer_common::packet::Frame;
use enforcer_common::parse::number;

use crate::link::{FRIEND, FRIEND_V6, Link, POD, POD_V6, TCP, ip, syn, v4};

fn with_options(options: &[u8]) -> Vec<u8> {
    let header = Ipv4 {
        options,
        ..Ipv4::new(v4(FRIEND), v4(POD), TCP)
    };
    let payload = frame::tcp((40_000, 80), frame::SYN);
    frame::ethernet(number::IPV4, &header.packet(&payload))
}

/// A SYN behind these extension headers: (number, header), whose first byte is filled in here.
fn behind(headers: &[(u8, Vec<u8>)]) -> Vec<u8> {
    let mut payload = frame::tcp((40_000, 80), frame::SYN);
    let mut next = TCP;
    for (kind, header) in headers.iter().rev() {
        let mut header = header.clone();
        header[0] = next;
        header.extend(payload);
        (payload, next) = (header, *kind);
    }
    let (IpAddr::V6(from), IpAddr::V6(to)) = (ip(FRIEND_V6), ip(POD_V6)) else {
        unreachable!("both are IPv6 addresses");
    };
    frame::ethernet(number::IPV6, &Ipv6::new(from, to, next).packet(&payload))
}

#[test]
fn extension_headers_are_walked() {
    let packet = behind(&[
        (0, vec![0; 8]),
        (60, vec![0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
        (43, vec![0; 8]),
        (51, vec![0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
    ]);
    assert_eq!(Link::isolated().gets(&packet), Reason::Allowed);
}

#[test]
fn a_packet_with_more_extension_headers_than_are_walked_is_dropped() {
    let headers = |count| vec![(60, vec![0; 8]); count];
    let most = EXTENSION_HEADERS as usize;
    assert_eq!(
        Link::isolated().gets(&behind(&headers(most))),
        Reason::Allowed
    );
    assert_eq!(
        Link::isolated().gets(&behind(&headers(most + 1))),
        Reason::ExtensionHeaders
    );
}

#[test]
fn a_packet_that_goes_elsewhere_than_it_says_is_dropped() {
    let routed = behind(&[(43, vec![0, 0, 0, 1, 0, 0, 0, 0])]);
    assert_eq!(Link::isolated().gets(&routed), Reason::SourceRouted);
    for option in [131, 137] {
        let routed = with_options(&[option, 7, 4, 8, 8, 8, 8, 0]);
        assert_eq!(
            Link::isolated().gets(&routed),
            Reason::SourceRouted,
            "{option}"
        );
    }
}

#[test]
fn other_options_change_nothing() {
    let most = vec![1; IPV4_OPTIONS as usize / 4 * 4];
    for options in [vec![148, 4, 0, 0], vec![1, 1, 1, 0], most] {
        assert_eq!(
            Link::isolated().gets(&with_options(&options)),
            Reason::Allowed,
            "{options:?}"
        );
    }
}

#[test]
fn a_source_route_does_not_hide_behind_many_options() {
    let mut options = vec![1; 12];
    options.extend([131, 7, 4, 8, 8, 8, 8, 0]);
    assert_eq!(
        Link::isolated().gets(&with_options(&options)),
        Reason::ExtensionHeaders
    );
}

#[test]
fn an_option_without_length_is_malformed() {
    for length in [0, 1] {
        let packet = with_options(&[148, length, 0, 0]);
        assert_eq!(
            Link::isolated().gets(&packet),
            Reason::Malformed,
            "{length}"
        );
    }
}

#[test]
fn an_option_longer_than_the_header_is_malformed() {
    for options in [[7, 5, 4, 0], [68, 40, 5, 0], [1, 1, 1, 148], [1, 1, 148, 3]] {
        let packet = with_options(&options);
        assert_eq!(
            Link::isolated().gets(&packet),
            Reason::Malformed,
            "{options:?}"
        );
    }
}

#[test]
fn tcp_flags_that_no_tcp_sends_are_malformed() {
    // FIN, SYN, RST, ACK in every combination, with and without PSH and URG.
    for flags in 0..=63 {
        let valid = matches!(
            flags & 0b1_0111,
            0b10 | 0b1_0010 | 0b100 | 0b1_0100 | 0b1_0000 | 0b1_0001
        );
        let packet = crate::link::tcp(FRIEND, POD, (40_000, 80), flags);
        let reason = Link::isolated().gets(&packet);
        assert_eq!(reason == Reason::Malformed, !valid, "{flags:b}: {reason:?}");
    }
}

#[test]
fn what_is_cut_off_anywhere_never_passes() {
    for (from, to) in [(FRIEND, POD), (FRIEND_V6, POD_V6)] {
        let whole = syn(from, to, (40_000, 80));
        for length in 0..whole.len() {
            let reason = Link::isolated().gets(&whole[..length]);
            assert_eq!(reason, Reason::Malformed, "{from} {length}");
        }
    }
}

#[test]
fn the_first_packet_of_a_connection_of_any_protocol_is_well_formed() {
    for (from, to) in [(FRIEND, POD), (FRIEND_V6, POD_V6)] {
        for protocol in 0..=255 {
            let packet = frame::opening(ip(from), ip(to), protocol, 80).unwrap();
            let reason = Link::isolated().gets(&packet);
            let expected = if protocol == TCP {
                Reason::Allowed
            } else {
                Reason::PolicyDenied
            };
            assert_eq!(reason, expected, "{from} {protocol}");
        }
    }
}

#[test]
fn padding_behind_the_packet_is_no_part_of_it() {
    let mut packet = syn(FRIEND, POD, (40_000, 80));
    packet.extend([0; 12]);
    assert_eq!(Link::isolated().gets(&packet), Reason::Allowed);
    // The length says that there is no TCP header, only padding that looks like one.
    packet[17] = 20;
    assert_eq!(Link::isolated().gets(&packet), Reason::Malformed);
}

#[test]
fn lengths_that_contradict_the_header_are_malformed() {
    for (at, value) in [(14, 0x44), (14, 0x65), (14, 0x4f), (17, 19), (16, 0xff)] {
        let mut packet = syn(FRIEND, POD, (40_000, 80));
        packet[at] = value;
        assert_eq!(
            Link::isolated().gets(&packet),
            Reason::Malformed,
            "{at} {value}"
        );
    }
}

#[test]
fn a_length_of_zero_is_right_for_segmented_packets_only() {
    for (from, to, at) in [(FRIEND, POD, 16), (FRIEND_V6, POD_V6, 18)] {
        let mut bytes = syn(from, to, (40_000, 80));
        bytes[at..at + 2].fill(0);
        for (segmented, expected) in [(true, Reason::Allowed), (false, Reason::Malformed)] {
            let frame = Frame {
                bytes: &bytes,
                ingress_ifindex: OTHER_LINK,
                segmented,
                ..Frame::default()
            };
            let reason = Link::isolated().judge_frame(Direction::Ingress, &frame);
            assert_eq!(reason, expected, "{from} {segmented}");
        }
    }
}

#[test]
fn an_ethertype_that_cannot_be_judged_is_dropped_at_an_isolated_pod() {
    for ethertype in [0x88cc, 0x8847, 0x0000, 0x9000] {
        let packet = frame::ethernet(ethertype, &[0; 46]);
        assert_eq!(
            Link::isolated().gets(&packet),
            Reason::UnknownEthertype,
            "{ethertype:x}"
        );
    }
}

#[test]
fn a_tagged_frame_is_dropped_wherever_the_tag_is() {
    let inner = syn(FRIEND, POD, (40_000, 80));
    for ethertype in [number::VLAN, number::QINQ] {
        let tagged = frame::ethernet(ethertype, &inner[12..]);
        assert_eq!(Link::isolated().gets(&tagged), Reason::VlanTagged);
    }
    let offloaded = Frame {
        bytes: &inner,
        ingress_ifindex: OTHER_LINK,
        vlan_tagged: true,
        ..Frame::default()
    };
    let reason = Link::isolated().judge_frame(Direction::Ingress, &offloaded);
    assert_eq!(reason, Reason::VlanTagged);
}
