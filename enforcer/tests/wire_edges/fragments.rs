//! Fragments (RFC 791, RFC 8200 §4.5) and what is made to evade with them.

use enforcer::datapath::frame::{self, Ipv4};
use enforcer_common::Reason::{
    Allowed, Established, FragmentEvasive, FragmentUnknown, PolicyDenied,
};
use enforcer_common::parse::number::IPV4;

use crate::case::{CLOSED, Case, DNS, Ends, HTTP, MORE_FRAGMENTS, case, padded, sequence};
use crate::stage::Stage;

const TCP: u8 = 6;
const UDP: u8 = 17;

const FIRST: &str = "Later fragments have no ports: they go the way of their first (RFC 1858).";
const NOT_SEEN: &str = "Nobody knows its ports. Linux sends the first fragment first, and the whole datagram is sent again.";
const TINY: &str = "RFC 1858: a first fragment that hides the header behind it.";
const OVERLAP: &str = "RFC 3128, RFC 5722: it would overwrite the header that was judged.";
const AGAIN: &str = "Each first fragment is judged for itself; the rest goes the way of the last.";

/// A fragment whose offset field is as on the wire. The datagram is named by the case's port.
fn v4(ends: &Ends, protocol: u8, field: u16, payload: &[u8]) -> Vec<u8> {
    let header = Ipv4 {
        identification: ends.port,
        fragment: field,
        ..ends.header_v4(protocol)
    };
    ends.ethernet(IPV4, &header.packet(payload))
}

/// The same for IPv6, offset in units of 8 bytes.
fn v6(ends: &Ends, next: u8, offset: u16, more: bool, payload: &[u8]) -> Vec<u8> {
    let [high, low] = (offset << 3 | u16::from(more)).to_be_bytes();
    let [name_high, name_low] = ends.port.to_be_bytes();
    let header = [next, 0, high, low, 0, 0, name_high, name_low];
    ends.v6(44, &[&header[..], payload].concat())
}

fn syn(ends: &Ends, port: u16) -> Vec<u8> {
    [&frame::tcp((ends.port, port), frame::SYN)[..], &[0; 4]].concat()
}

fn datagram(ends: &Ends, port: u16) -> Vec<u8> {
    frame::udp((ends.port, port), &[0; 8])
}

fn rest(ends: &Ends) -> Vec<u8> {
    [&ends.mark[..], &[0; 8]].concat()
}

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = followers();
    cases.extend(out_of_order());
    cases.extend(evasive());
    cases.extend(overlaps());
    cases.extend(again());
    cases
}

fn followers() -> Vec<Case> {
    vec![
        case(
            "first fragment to an allowed port",
            Allowed,
            FIRST,
            |ends| v4(ends, UDP, MORE_FRAGMENTS, &ends.udp(DNS)),
        ),
        sequence(
            "later fragment of an allowed datagram",
            Established,
            FIRST,
            |ends| {
                vec![
                    v4(ends, UDP, MORE_FRAGMENTS, &datagram(ends, DNS)),
                    v4(ends, UDP, 2, &rest(ends)),
                ]
            },
        ),
        sequence(
            "later fragment of a denied datagram",
            PolicyDenied,
            FIRST,
            |ends| {
                vec![
                    v4(ends, UDP, MORE_FRAGMENTS, &datagram(ends, CLOSED)),
                    v4(ends, UDP, 2, &rest(ends)),
                ]
            },
        ),
        sequence(
            "later IPv6 fragment of an allowed datagram",
            Established,
            FIRST,
            |ends| {
                vec![
                    v6(ends, UDP, 0, true, &datagram(ends, DNS)),
                    v6(ends, UDP, 2, false, &rest(ends)),
                ]
            },
        ),
        sequence(
            "later IPv6 fragment of a denied datagram",
            PolicyDenied,
            FIRST,
            |ends| {
                vec![
                    v6(ends, UDP, 0, true, &datagram(ends, CLOSED)),
                    v6(ends, UDP, 2, false, &rest(ends)),
                ]
            },
        ),
    ]
}

fn out_of_order() -> Vec<Case> {
    vec![
        case(
            "later fragment before its first (out of order)",
            FragmentUnknown,
            NOT_SEEN,
            |ends| v4(ends, UDP, 2, &rest(ends)),
        ),
        case(
            "later IPv6 fragment before its first",
            FragmentUnknown,
            NOT_SEEN,
            |ends| v6(ends, UDP, 2, false, &rest(ends)),
        ),
        sequence(
            "fragments in any order behind the first",
            Established,
            FIRST,
            |ends| {
                vec![
                    v4(ends, UDP, MORE_FRAGMENTS, &datagram(ends, DNS)),
                    v4(ends, UDP, 4, &[0; 8]),
                    v4(ends, UDP, MORE_FRAGMENTS | 2, &rest(ends)),
                ]
            },
        ),
        sequence(
            "later fragment of a known datagram with another protocol (IPv4)",
            FragmentUnknown,
            "The protocol is a part of an IPv4 datagram's name (RFC 791 §3.2).",
            |ends| {
                vec![
                    v4(ends, UDP, MORE_FRAGMENTS, &datagram(ends, DNS)),
                    v4(ends, TCP, 4, &rest(ends)),
                ]
            },
        ),
        sequence(
            "later fragment of a known datagram with another protocol (IPv6)",
            Established,
            "Only the first fragment's next header counts (RFC 8200 §4.5).",
            |ends| {
                vec![
                    v6(ends, UDP, 0, true, &datagram(ends, DNS)),
                    v6(ends, TCP, 2, false, &rest(ends)),
                ]
            },
        ),
        sequence(
            "later fragment of an ICMP error",
            FragmentUnknown,
            "Errors quote no more than fits into one packet (RFC 1812 §4.3.2.3).",
            |ends| {
                let error = frame::icmp(3, 3, 0, &[0; 24]);
                vec![
                    v4(ends, 1, MORE_FRAGMENTS, &error),
                    v4(ends, 1, 4, &rest(ends)),
                ]
            },
        ),
    ]
}

fn evasive() -> Vec<Case> {
    vec![
        case(
            "first fragment of 8 bytes of a TCP header",
            FragmentEvasive,
            TINY,
            |ends| {
                let mut tiny = syn(ends, HTTP);
                tiny.truncate(16);
                tiny[8..].copy_from_slice(&ends.mark);
                v4(ends, TCP, MORE_FRAGMENTS, &tiny)
            },
        ),
        case(
            "first IPv6 fragment of 16 bytes of a TCP header",
            FragmentEvasive,
            TINY,
            |ends| padded(ends, &v6(ends, TCP, 0, true, &syn(ends, HTTP)[..16])),
        ),
        case(
            "first fragment of less than a UDP header",
            FragmentEvasive,
            TINY,
            |ends| {
                padded(
                    ends,
                    &v4(ends, UDP, MORE_FRAGMENTS, &datagram(ends, DNS)[..4]),
                )
            },
        ),
        sequence(
            "fragment at offset 8 of a TCP segment",
            FragmentEvasive,
            OVERLAP,
            |ends| {
                vec![
                    v4(ends, TCP, MORE_FRAGMENTS, &syn(ends, HTTP)),
                    v4(ends, TCP, 1, &rest(ends)),
                ]
            },
        ),
        sequence(
            "IPv6 fragment at offset 16 of a TCP segment",
            FragmentEvasive,
            OVERLAP,
            |ends| {
                vec![
                    v6(ends, TCP, 0, true, &syn(ends, HTTP)),
                    v6(ends, TCP, 2, false, &rest(ends)),
                ]
            },
        ),
    ]
}

fn overlaps() -> Vec<Case> {
    vec![
        sequence(
            "IPv6 fragment that overlaps a UDP header behind destination options",
            FragmentEvasive,
            OVERLAP,
            |ends| {
                let options = [UDP, 0, 1, 4, 0, 0, 0, 0];
                let first = [&options[..], &datagram(ends, DNS)].concat();
                vec![
                    v6(ends, 60, 0, true, &first),
                    v6(ends, 60, 1, false, &rest(ends)),
                ]
            },
        ),
        sequence(
            "fragment that overlaps payload alone",
            Established,
            "Hides no header; Linux drops the datagram (RFC 5722, and IPv4 since Linux 4.20).",
            |ends| {
                vec![
                    v4(ends, UDP, MORE_FRAGMENTS, &datagram(ends, DNS)),
                    v4(ends, UDP, 1, &rest(ends)),
                ]
            },
        ),
        case(
            "IPv6 first fragment that ends within the extension headers",
            enforcer_common::Reason::Malformed,
            "RFC 7112: all headers are in the first fragment.",
            |ends| padded(ends, &v6(ends, 60, 0, true, &[UDP, 1, 1, 4, 0, 0, 0, 0])),
        ),
    ]
}

fn again() -> Vec<Case> {
    vec![
        sequence(
            "second first fragment with a port that is not allowed",
            PolicyDenied,
            AGAIN,
            |ends| {
                vec![
                    v4(ends, UDP, MORE_FRAGMENTS, &datagram(ends, DNS)),
                    v4(ends, UDP, MORE_FRAGMENTS, &ends.udp(CLOSED)),
                ]
            },
        ),
        sequence(
            "later fragment behind first fragments with an allowed and then a denied port",
            PolicyDenied,
            AGAIN,
            |ends| {
                vec![
                    v4(ends, UDP, MORE_FRAGMENTS, &datagram(ends, DNS)),
                    v4(ends, UDP, MORE_FRAGMENTS, &datagram(ends, CLOSED)),
                    v4(ends, UDP, 2, &rest(ends)),
                ]
            },
        ),
        sequence(
            "later IPv6 fragment behind first fragments with an allowed and then a denied port",
            PolicyDenied,
            AGAIN,
            |ends| {
                vec![
                    v6(ends, UDP, 0, true, &datagram(ends, DNS)),
                    v6(ends, UDP, 0, true, &datagram(ends, CLOSED)),
                    v6(ends, UDP, 2, false, &rest(ends)),
                ]
            },
        ),
    ]
}

#[test]
fn fragments() {
    Stage::new().play(&cases());
}
