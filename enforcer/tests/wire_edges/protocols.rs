//! Protocols without ports, packets in packets, SCTP.

use enforcer::datapath::frame;
use enforcer_common::Reason;
use enforcer_common::Reason::{Allowed, PolicyDenied};

use crate::case::{Case, DNS, SCTP_PORT, case};
use crate::stage::Stage;

const NO_PORTS: &str = "Judged as a protocol without ports: only a rule without ports allows it.";
const INNER: &str =
    "Judged by its outer header as a protocol without ports; what is inside is not looked for.";

const SCTP: u8 = 132;

fn opaque(name: &'static str, why: &'static str, protocol: u8) -> Case {
    case(name, PolicyDenied, why, move |ends| {
        ends.v4(protocol, &[&[0; 16][..], &ends.mark].concat())
    })
}

fn opaque_v6(name: &'static str, why: &'static str, protocol: u8) -> Case {
    case(name, PolicyDenied, why, move |ends| {
        ends.v6(protocol, &[&[0; 16][..], &ends.mark].concat())
    })
}

/// SCTP with these chunks behind the common header.
fn sctp(
    name: &'static str,
    reason: Reason,
    why: &'static str,
    tag: u32,
    port: u16,
    chunks: &'static [&'static [u8]],
) -> Case {
    case(name, reason, why, move |ends| {
        let mut packet = frame::sctp((ends.port, port), 0);
        packet.truncate(12);
        packet[4..8].copy_from_slice(&tag.to_be_bytes());
        packet.extend(chunks.concat());
        packet.extend([0, 0, 0, 12]);
        packet.extend(ends.mark);
        ends.v4(SCTP, &packet)
    })
}

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = vec![
        opaque(
            "IGMP report",
            "Kubernetes has no groups; multicast needs a rule without ports.",
            2,
        ),
        opaque("GRE", INNER, 47),
        opaque("ESP over IPv4", INNER, 50),
        opaque("AH over IPv4", INNER, 51),
        opaque(
            "DCCP",
            "The API has no such ports. A rule without ports allows it.",
            33,
        ),
        opaque(
            "UDP-Lite",
            "The API has no such ports. A rule without ports allows it.",
            136,
        ),
        opaque("protocol 0 over IPv4", NO_PORTS, 0),
        opaque("protocol 253 (experiment)", NO_PORTS, 253),
        opaque("protocol 255", NO_PORTS, 255),
        opaque_v6("GRE over IPv6", INNER, 47),
        opaque_v6(
            "UDP-Lite over IPv6",
            "The API has no such ports. A rule without ports allows it.",
            136,
        ),
        opaque("ICMPv6 over IPv4", "No message of this family.", 58),
        opaque_v6("ICMP over IPv6", "No message of this family.", 1),
        case(
            "echo request",
            PolicyDenied,
            "ICMP has no ports: only a rule without ports allows it.",
            |ends| ends.v4(1, &frame::icmp(8, 0, ends.port, &ends.mark)),
        ),
        case(
            "ICMPv6 echo request",
            PolicyDenied,
            "ICMP has no ports: only a rule without ports allows it.",
            |ends| ends.v6(58, &frame::icmp(128, 0, ends.port, &ends.mark)),
        ),
    ];
    cases.extend(tunnels());
    cases.extend(associations());
    cases
}

fn tunnels() -> Vec<Case> {
    vec![
        case("IPv4 in IPv4", PolicyDenied, INNER, |ends| {
            ends.v4(4, &ends.header_v4(17).packet(&ends.udp(DNS)))
        }),
        case("IPv6 in IPv4 (6in4)", PolicyDenied, INNER, |ends| {
            ends.v4(41, &ends.header_v6(17).packet(&ends.udp(DNS)))
        }),
        case("IPv4 in IPv6 (4in6)", PolicyDenied, INNER, |ends| {
            ends.v6(4, &ends.header_v4(17).packet(&ends.udp(DNS)))
        }),
        case("IPv6 in IPv6", PolicyDenied, INNER, |ends| {
            ends.v6(41, &ends.header_v6(17).packet(&ends.udp(DNS)))
        }),
    ]
}

fn associations() -> Vec<Case> {
    const INIT: &[u8] = &[1, 0, 0, 20, 0, 0, 0, 7, 0, 1, 0, 0, 0, 1, 0, 1, 0, 0, 0, 1];
    const COOKIE_ACK: &[u8] = &[11, 0, 0, 4];
    const ALONE: &str = "INIT is alone in its packet and comes with a verification tag of 0; receivers drop it otherwise (RFC 9260 §6.10, §8.5.1). The first chunk is judged.";
    const MIDDLE: &str = "From the middle of an association, as with TCP.";
    vec![
        sctp(
            "SCTP INIT",
            Allowed,
            "A rule allows it.",
            0,
            SCTP_PORT,
            &[INIT],
        ),
        sctp(
            "SCTP INIT to a port that is not allowed",
            PolicyDenied,
            "No rule allows it.",
            0,
            SCTP_PORT + 1,
            &[INIT],
        ),
        sctp(
            "SCTP INIT and another chunk",
            Allowed,
            ALONE,
            0,
            SCTP_PORT,
            &[INIT, COOKIE_ACK],
        ),
        sctp(
            "SCTP INIT behind another chunk",
            PolicyDenied,
            ALONE,
            0,
            SCTP_PORT + 1,
            &[COOKIE_ACK, INIT],
        ),
        sctp(
            "SCTP INIT with a verification tag",
            Allowed,
            ALONE,
            7,
            SCTP_PORT,
            &[INIT],
        ),
        sctp(
            "SCTP DATA with a verification tag of 0",
            PolicyDenied,
            MIDDLE,
            0,
            SCTP_PORT + 1,
            &[&[0, 3, 0, 16, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]],
        ),
        sctp(
            "several SCTP chunks without an association, allowed port",
            Allowed,
            MIDDLE,
            7,
            SCTP_PORT,
            &[COOKIE_ACK, COOKIE_ACK],
        ),
    ]
}

#[test]
fn protocols() {
    Stage::new().play(&cases());
}
