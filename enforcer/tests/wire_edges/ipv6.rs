//! IPv6 extension headers and lengths (RFC 8200).

use enforcer_common::Reason;
use enforcer_common::Reason::{Allowed, ExtensionHeaders, Malformed, PolicyDenied, SourceRouted};
use enforcer_common::parse::number::IPV6;

use crate::case::{CLOSED, Case, DNS, case};
use crate::stage::Stage;

const HOP_BY_HOP: u8 = 0;
const ROUTING: u8 = 43;
const FRAGMENT: u8 = 44;
const AUTHENTICATION: u8 = 51;
const DESTINATION: u8 = 60;

const WALKED: &str = "Walked; the ports behind it are judged (RFC 8200 §4).";
const ELSEWHERE: &str =
    "With segments left the packet goes elsewhere than its destination field says (RFC 8200 §4.4).";
const NO_PORTS: &str =
    "Nothing behind it can be read or there is nothing; only a rule without ports allows it.";
const LENGTHS: &str = "The lengths contradict each other.";

/// A header of a kind with its content behind the first byte.
type Header = (u8, &'static [u8]);

const PADDING: &[u8] = &[0, 1, 4, 0, 0, 0, 0];
const HOPS: Header = (HOP_BY_HOP, PADDING);
const OPTIONS: Header = (DESTINATION, PADDING);

/// A datagram behind extension headers: gives the first next-header number too.
pub(crate) fn behind(headers: &[Header], protocol: u8, transport: &[u8]) -> (u8, Vec<u8>) {
    let mut next = protocol;
    let mut payload = transport.to_vec();
    for (kind, content) in headers.iter().rev() {
        payload = [&[next][..], content, &payload].concat();
        next = *kind;
    }
    (next, payload)
}

fn walked(
    name: &'static str,
    reason: Reason,
    why: &'static str,
    headers: &'static [Header],
) -> Case {
    to_port(name, reason, why, headers, DNS)
}

fn to_port(
    name: &'static str,
    reason: Reason,
    why: &'static str,
    headers: &'static [Header],
    port: u16,
) -> Case {
    case(name, reason, why, move |ends| {
        let (next, payload) = behind(headers, 17, &ends.udp(port));
        ends.v6(next, &payload)
    })
}

/// A header that ends the walk.
fn last(name: &'static str, why: &'static str, next: u8) -> Case {
    case(name, PolicyDenied, why, move |ends| {
        let (_, payload) = behind(&[(next, PADDING)], 17, &ends.udp(DNS));
        ends.v6(next, &payload)
    })
}

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = vec![
        walked("hop-by-hop options", Allowed, WALKED, &[HOPS]),
        walked("destination options", Allowed, WALKED, &[OPTIONS]),
        walked(
            "authentication header",
            Allowed,
            WALKED,
            &[(AUTHENTICATION, &[1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1])],
        ),
        walked(
            "atomic fragment",
            Allowed,
            "A single fragment is a whole packet (RFC 6946).",
            &[(FRAGMENT, &[0, 0, 0, 0, 0, 0, 9])],
        ),
        walked(
            "hop-by-hop, destination and routing headers",
            Allowed,
            WALKED,
            &[HOPS, OPTIONS, (ROUTING, &[0, 0, 0, 0, 0, 0, 0]), OPTIONS],
        ),
        walked(
            "as many headers as are walked",
            Allowed,
            WALKED,
            &[OPTIONS; 6],
        ),
        walked(
            "one more header than is walked",
            ExtensionHeaders,
            "What is behind them is not known.",
            &[OPTIONS; 7],
        ),
        walked(
            "far more headers than are walked",
            ExtensionHeaders,
            "What is behind them is not known.",
            &[OPTIONS; 20],
        ),
        to_port(
            "port that is not allowed behind extension headers",
            PolicyDenied,
            WALKED,
            &[HOPS, OPTIONS],
            CLOSED,
        ),
        last("ESP", NO_PORTS, 50),
        last("no next header", NO_PORTS, 59),
        last("mobility header", NO_PORTS, 135),
        last("host identity protocol", NO_PORTS, 139),
        last("shim6", NO_PORTS, 140),
        last("next header 253 (experiment)", NO_PORTS, 253),
    ];
    cases.extend(routing());
    cases.extend(lengths());
    cases
}

fn routing() -> Vec<Case> {
    const DONE: &str = "Without segments left it is where it says (RFC 8200 §4.4).";
    vec![
        walked(
            "routing header of type 0, no segments left",
            Allowed,
            DONE,
            &[(ROUTING, &[0, 0, 0, 0, 0, 0, 0])],
        ),
        walked(
            "routing header of type 0, segments left",
            SourceRouted,
            "RFC 5095 forbids it.",
            &[(ROUTING, &[0, 0, 1, 0, 0, 0, 0])],
        ),
        walked(
            "routing header of type 2, segments left",
            SourceRouted,
            ELSEWHERE,
            &[(ROUTING, &[0, 2, 1, 0, 0, 0, 0])],
        ),
        walked(
            "routing header of type 3 (RPL), segments left",
            SourceRouted,
            ELSEWHERE,
            &[(ROUTING, &[0, 3, 1, 0, 0, 0, 0])],
        ),
        walked(
            "routing header of type 4 (SRv6), segments left",
            SourceRouted,
            ELSEWHERE,
            &[(ROUTING, &[0, 4, 1, 0, 0, 0, 0])],
        ),
        walked(
            "routing header of type 4, no segments left",
            Allowed,
            DONE,
            &[(ROUTING, &[0, 4, 0, 0, 0, 0, 0])],
        ),
        walked(
            "segments left behind other headers",
            SourceRouted,
            ELSEWHERE,
            &[HOPS, OPTIONS, (ROUTING, &[0, 0, 1, 0, 0, 0, 0])],
        ),
    ]
}

/// A datagram to an allowed port with bytes of the IP packet changed.
fn changed(
    name: &'static str,
    why: &'static str,
    headers: &'static [Header],
    changes: &'static [(usize, u8)],
) -> Case {
    case(name, Malformed, why, move |ends| {
        let (next, payload) = behind(headers, 17, &ends.udp(DNS));
        let mut packet = ends.header_v6(next).packet(&payload);
        for (at, value) in changes {
            packet[*at] = *value;
        }
        ends.ethernet(IPV6, &packet)
    })
}

fn lengths() -> Vec<Case> {
    vec![
        changed(
            "IPv6 payload length 0",
            "Only segmented packets have it.",
            &[],
            &[(5, 0)],
        ),
        changed(
            "jumbogram",
            "RFC 2675: longer than any link here carries, and the payload length says nothing.",
            &[(HOP_BY_HOP, &[0, 0xc2, 4, 0, 0, 0, 24])],
            &[(5, 0)],
        ),
        changed(
            "IPv6 payload length beyond the frame",
            LENGTHS,
            &[],
            &[(5, 200)],
        ),
        changed(
            "IPv6 payload length that cuts the transport header off",
            LENGTHS,
            &[],
            &[(5, 4)],
        ),
        changed(
            "extension header longer than the packet",
            LENGTHS,
            &[OPTIONS],
            &[(41, 200)],
        ),
        changed(
            "version 4 in an IPv6 frame",
            "The ethertype says IPv6.",
            &[],
            &[(0, 0x45)],
        ),
        case(
            "IPv6 payload length shorter than the frame",
            Allowed,
            "The rest is padding.",
            |ends| {
                let mut frame = ends.v6(17, &ends.udp(DNS));
                frame.extend([0; 9]);
                frame
            },
        ),
    ]
}

#[test]
fn ipv6_headers() {
    Stage::new().play(&cases());
}
