//! IPv4 headers: options, lengths, versions, checksums.

use enforcer::datapath::frame::Ipv4;
use enforcer_common::Reason::{Allowed, ExtensionHeaders, Malformed, PolicyDenied, SourceRouted};
use enforcer_common::parse::number::IPV4;

use crate::case::{CLOSED, Case, DNS, Ends, HTTP, case, padded};
use crate::stage::Stage;

const ELSEWHERE: &str = "RFC 791 §3.1: the packet goes elsewhere than its destination field says.";
const HARMLESS: &str = "Changes nothing that policies speak about.";
const BAD_OPTION: &str =
    "RFC 791 §3.1: an option has a length of at least 2 and ends within the header.";
const LENGTHS: &str = "RFC 791 §3.1: the lengths contradict each other.";
const RECEIVER: &str = "Hides nothing from policy; checking it is the receiver's part.";

fn with_options(
    name: &'static str,
    reason: enforcer_common::Reason,
    why: &'static str,
    options: &'static [u8],
) -> Case {
    case(name, reason, why, move |ends| {
        let header = Ipv4 {
            options,
            ..ends.header_v4(17)
        };
        ends.ethernet(IPV4, &header.packet(&ends.udp(DNS)))
    })
}

/// A datagram to an allowed port with one byte of the IP packet changed.
fn changed(
    name: &'static str,
    reason: enforcer_common::Reason,
    why: &'static str,
    changes: &'static [(usize, u8)],
) -> Case {
    case(name, reason, why, move |ends| {
        let mut packet = ends.header_v4(17).packet(&ends.udp(DNS));
        for (at, value) in changes {
            packet[*at] = *value;
        }
        ends.ethernet(IPV4, &packet)
    })
}

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = options();
    cases.extend(lengths());
    cases.extend(beyond_ip());
    cases
}

fn options() -> Vec<Case> {
    vec![
        with_options("record route", Allowed, HARMLESS, &[7, 7, 4, 0, 0, 0, 0, 0]),
        with_options("timestamp", Allowed, HARMLESS, &[68, 8, 5, 0, 0, 0, 0, 0]),
        with_options("router alert", Allowed, HARMLESS, &[148, 4, 0, 0]),
        with_options("option of unknown kind", Allowed, HARMLESS, &[30, 4, 0, 0]),
        with_options(
            "loose source route",
            SourceRouted,
            ELSEWHERE,
            &[131, 7, 4, 192, 0, 2, 1, 0],
        ),
        with_options(
            "strict source route",
            SourceRouted,
            ELSEWHERE,
            &[137, 7, 4, 192, 0, 2, 1, 0],
        ),
        with_options(
            "source route behind another option",
            SourceRouted,
            ELSEWHERE,
            &[148, 4, 0, 0, 131, 7, 4, 192, 0, 2, 1, 0],
        ),
        with_options("no-operations", Allowed, HARMLESS, &[1, 1, 1, 1]),
        with_options(
            "end of options, then bytes like a source route",
            Allowed,
            "What is behind the end is padding.",
            &[0, 131, 7, 4, 192, 0, 2, 1],
        ),
        with_options(
            "more options than are walked",
            ExtensionHeaders,
            "One of them could be a source route.",
            &[1, 1, 1, 1, 1, 1, 1, 1],
        ),
        with_options(
            "source route behind more options than are walked",
            ExtensionHeaders,
            ELSEWHERE,
            &[1, 1, 1, 1, 1, 1, 131, 7, 4, 192, 0, 2],
        ),
        with_options("option of length 0", Malformed, BAD_OPTION, &[148, 0, 0, 0]),
        with_options("option of length 1", Malformed, BAD_OPTION, &[148, 1, 0, 0]),
        with_options(
            "option longer than the header",
            Malformed,
            BAD_OPTION,
            &[7, 39, 4, 0],
        ),
        with_options(
            "option whose length is behind the header",
            Malformed,
            BAD_OPTION,
            &[1, 1, 1, 148],
        ),
    ]
}

fn lengths() -> Vec<Case> {
    vec![
        changed("header length below 5", Malformed, LENGTHS, &[(0, 0x44)]),
        changed(
            "header longer than the packet",
            Malformed,
            LENGTHS,
            &[(0, 0x4f)],
        ),
        changed(
            "version 6 in an IPv4 frame",
            Malformed,
            "The ethertype says IPv4.",
            &[(0, 0x65)],
        ),
        changed(
            "version 0 in an IPv4 frame",
            Malformed,
            "The ethertype says IPv4.",
            &[(0, 0x05)],
        ),
        changed("total length 0", Malformed, LENGTHS, &[(3, 0)]),
        changed(
            "total length shorter than the header",
            Malformed,
            LENGTHS,
            &[(3, 19)],
        ),
        changed(
            "total length that cuts the transport header off",
            Malformed,
            LENGTHS,
            &[(3, 24)],
        ),
        changed(
            "total length beyond the frame",
            Malformed,
            LENGTHS,
            &[(3, 200)],
        ),
        changed(
            "total length shorter than the frame",
            Allowed,
            "The rest is padding.",
            &[(3, 32)],
        ),
        changed(
            "wrong header checksum",
            Allowed,
            RECEIVER,
            &[(10, 0xba), (11, 0xad)],
        ),
        changed("TTL 0", Allowed, RECEIVER, &[(8, 0)]),
        changed(
            "reserved fragment flag (RFC 3514)",
            Allowed,
            "It means nothing.",
            &[(6, 0x80)],
        ),
    ]
}

fn tcp_with_offset(offset: u8) -> impl Fn(&Ends) -> Vec<u8> {
    move |ends| {
        let mut segment = ends.tcp(HTTP, 2);
        segment[12] = offset << 4;
        ends.v4(6, &segment)
    }
}

fn beyond_ip() -> Vec<Case> {
    vec![
        changed("UDP length 0", Allowed, RECEIVER, &[(25, 0)]),
        changed("UDP length below 8", Allowed, RECEIVER, &[(25, 7)]),
        changed(
            "UDP length beyond the packet",
            Allowed,
            RECEIVER,
            &[(24, 0xff)],
        ),
        changed(
            "wrong UDP checksum",
            Allowed,
            RECEIVER,
            &[(26, 0xba), (27, 0xad)],
        ),
        case(
            "TCP data offset below 5",
            Allowed,
            RECEIVER,
            tcp_with_offset(4),
        ),
        case(
            "TCP data offset beyond the packet",
            Allowed,
            RECEIVER,
            tcp_with_offset(15),
        ),
        case(
            "UDP header cut off",
            Malformed,
            "There are no whole ports to ask about.",
            |ends| padded(ends, &ends.v4(17, &ends.udp(DNS)[..7])),
        ),
        case(
            "datagram to a port that is not allowed",
            PolicyDenied,
            "No rule allows it.",
            |ends| ends.v4(17, &ends.udp(CLOSED)),
        ),
    ]
}

#[test]
fn ipv4_headers() {
    Stage::new().play(&cases());
}
