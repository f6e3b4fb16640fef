//! Frames: ethertypes, tags, lengths, MAC addresses.

use enforcer_common::Reason::{Allowed, Malformed, PolicyDenied, UnknownEthertype, VlanTagged};
use enforcer_common::parse::number::{IPV4, IPV6, QINQ, VLAN};

use crate::case::{CLOSED, Case, DNS, Ends, case};
use crate::stage::Stage;

const UNKNOWN: &str = "No policy can say anything about it.";
const TAGGED: &str =
    "The tag decides where the frame goes (IEEE 802.1Q), and policies know no VLANs.";
const NESTED: &str =
    "The kernel takes tags off one by one and could see a source that was not checked here.";

/// An IPv4 datagram to an allowed port, without its Ethernet header.
fn inner(ends: &Ends) -> Vec<u8> {
    ends.header_v4(17).packet(&ends.udp(DNS))
}

fn unknown(name: &'static str, why: &'static str, ethertype: u16) -> Case {
    case(name, UnknownEthertype, why, move |ends| {
        ends.ethernet(ethertype, &[&ends.mark[..], &[0; 40]].concat())
    })
}

/// A tag, then what it is about.
fn tagged(ethertype: u16, payload: &[u8]) -> Vec<u8> {
    [&[0, 5], &ethertype.to_be_bytes()[..], payload].concat()
}

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = ethertypes();
    cases.extend(tags());
    cases.extend(addresses_and_lengths());
    cases
}

fn ethertypes() -> Vec<Case> {
    vec![
        unknown("ethertype 0x88b5 (local experiment)", UNKNOWN, 0x88b5),
        unknown("ethertype 0x0000", UNKNOWN, 0),
        unknown("LLDP", UNKNOWN, 0x88cc),
        unknown(
            "reverse ARP",
            "Claims addresses, and nothing in Kubernetes uses it.",
            0x8035,
        ),
        unknown(
            "MPLS",
            "What is behind the labels is not looked for.",
            0x8847,
        ),
        unknown(
            "PPPoE session",
            "What is behind the header is not looked for.",
            0x8864,
        ),
        unknown(
            "ethertype 0x9100 (an old QinQ)",
            "The kernel knows it as no tag.",
            0x9100,
        ),
        unknown(
            "802.3 frame with an LLC header",
            "A length in place of the ethertype (IEEE 802.3).",
            48,
        ),
        case(
            "IPv4 in an LLC/SNAP frame",
            UnknownEthertype,
            "RFC 1042; Linux takes no IP from Ethernet frames of this kind.",
            |ends| {
                let inner = inner(ends);
                let length = u16::try_from(8 + inner.len()).unwrap();
                let snap = [0xaa, 0xaa, 3, 0, 0, 0, 8, 0];
                ends.ethernet(length, &[&snap[..], &inner].concat())
            },
        ),
    ]
}

fn tags() -> Vec<Case> {
    vec![
        case("VLAN tag", VlanTagged, TAGGED, |ends| {
            ends.ethernet(VLAN, &tagged(IPV4, &inner(ends)))
        }),
        case("priority tag (VLAN 0)", VlanTagged, TAGGED, |ends| {
            let untagged = [&[0, 0], &IPV4.to_be_bytes()[..], &inner(ends)].concat();
            ends.ethernet(VLAN, &untagged)
        }),
        case("802.1ad service tag", VlanTagged, TAGGED, |ends| {
            ends.ethernet(QINQ, &tagged(IPV4, &inner(ends)))
        }),
        case(
            "QinQ: a service tag, then a VLAN tag",
            VlanTagged,
            NESTED,
            |ends| ends.ethernet(QINQ, &tagged(VLAN, &tagged(IPV4, &inner(ends)))),
        )
        .always(),
        case("two VLAN tags", VlanTagged, NESTED, |ends| {
            ends.ethernet(VLAN, &tagged(VLAN, &tagged(IPV4, &inner(ends))))
        })
        .always(),
    ]
}

fn addresses_and_lengths() -> Vec<Case> {
    const ANY_MAC: &str = "Policies are about IP addresses; the receiver's kernel drops what is for another MAC address.";
    const CUT: &str = "Not even the addresses are there.";
    vec![
        case(
            "datagram to an allowed port, padded to the shortest frame",
            Allowed,
            "Padding behind the IP packet is no part of it (IEEE 802.3 §4.2.3.3).",
            |ends| {
                let mut frame = ends.v4(17, &ends.udp(DNS));
                frame.resize(60, 0);
                frame
            },
        ),
        case(
            "wrong destination MAC address, allowed port",
            Allowed,
            ANY_MAC,
            |ends| {
                let mut frame = ends.v4(17, &ends.udp(DNS));
                frame[..6].copy_from_slice(&[2, 0, 0, 0, 0, 0x77]);
                frame
            },
        ),
        case(
            "broadcast MAC address, port that is not allowed",
            PolicyDenied,
            ANY_MAC,
            |ends| {
                let mut frame = ends.v4(17, &ends.udp(CLOSED));
                frame[..6].fill(0xff);
                frame
            },
        ),
        case(
            "IPv4 ethertype and nothing behind it",
            Malformed,
            CUT,
            |ends| ends.ethernet(IPV4, &[]),
        )
        .always(),
        case(
            "IPv6 ethertype and nothing behind it",
            Malformed,
            CUT,
            |ends| ends.ethernet(IPV6, &[]),
        )
        .always(),
        case(
            "IPv4 header cut off within the addresses",
            Malformed,
            CUT,
            |ends| ends.ethernet(IPV4, &inner(ends)[..15]),
        )
        .always(),
        case(
            "unknown ethertype and nothing behind it",
            UnknownEthertype,
            UNKNOWN,
            |ends| {
                // The mark is where nobody looks: a frame without payload cannot be told from others.
                ends.ethernet(0x88b5, &ends.mark)
            },
        ),
    ]
}

#[test]
fn frames_and_tags() {
    Stage::new().play(&cases());
}
