//! ICMP errors and what they quote (RFC 792, RFC 4443).

use enforcer::datapath::frame::{self, Ipv4};
use enforcer_common::Reason;
use enforcer_common::Reason::{PolicyDenied, RelatedError};

use crate::case::{CLOSED, Case, DNS, Ends, HTTP, MORE_FRAGMENTS, sequence};
use crate::stage::Stage;

const TRACKED: &str = "It is about a packet of a connection that policy allows (RFC 1122 §3.2.2).";
const FOREIGN: &str = "It is about no connection of this pod; only a rule for ICMP allows it.";
const NO_QUOTE: &str = "What it is about cannot be told.";

/// The datagram that the receiver sent before, then an error about it. `quote` gets the quoted IP
/// packet.
fn about(
    name: &'static str,
    reason: Reason,
    why: &'static str,
    message: (u8, u8),
    quote: impl Fn(&Ends, Vec<u8>) -> Vec<u8> + 'static,
) -> Case {
    sequence(name, reason, why, move |ends| {
        let back = ends.back();
        let sent = back.v4(17, &frame::udp((ends.port, DNS), &[]));
        let quoted = quote(ends, sent[14..].to_vec());
        let error = frame::icmp(message.0, message.1, 0, &quoted);
        vec![sent, ends.v4(1, &[&error[..], &ends.mark].concat())]
    })
}

fn about_v6(
    name: &'static str,
    reason: Reason,
    why: &'static str,
    message: (u8, u8),
    quote: impl Fn(&Ends, Vec<u8>) -> Vec<u8> + 'static,
) -> Case {
    sequence(name, reason, why, move |ends| {
        let back = ends.back();
        let sent = back.v6(17, &frame::udp((ends.port, DNS), &[]));
        let quoted = quote(ends, sent[14..].to_vec());
        let error = frame::icmp(message.0, message.1, 0, &quoted);
        vec![sent, ends.v6(58, &[&error[..], &ends.mark].concat())]
    })
}

fn as_sent(_: &Ends, quoted: Vec<u8>) -> Vec<u8> {
    quoted
}

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = messages();
    cases.extend(messages_v6());
    cases.extend(quotes());
    cases.extend(short_quotes());
    cases.extend(fragments());
    cases
}

fn messages() -> Vec<Case> {
    const REDIRECT: &str =
        "Only the pod's own router may redirect, and that is its node, whose packets pass as such.";
    const QUENCH: &str = "RFC 6633: nobody sends it, everybody ignores it.";
    vec![
        about(
            "port unreachable about a tracked flow",
            RelatedError,
            TRACKED,
            (3, 3),
            as_sent,
        ),
        about(
            "fragmentation needed about a tracked flow",
            RelatedError,
            TRACKED,
            (3, 4),
            as_sent,
        ),
        about(
            "time exceeded about a tracked flow",
            RelatedError,
            TRACKED,
            (11, 0),
            as_sent,
        ),
        about(
            "parameter problem about a tracked flow",
            RelatedError,
            TRACKED,
            (12, 0),
            as_sent,
        ),
        about(
            "ICMP redirect about a tracked flow",
            PolicyDenied,
            REDIRECT,
            (5, 1),
            as_sent,
        ),
        about(
            "source quench about a tracked flow",
            PolicyDenied,
            QUENCH,
            (4, 0),
            as_sent,
        ),
    ]
}

fn messages_v6() -> Vec<Case> {
    vec![
        about_v6(
            "ICMPv6 unreachable about a tracked flow",
            RelatedError,
            TRACKED,
            (1, 4),
            as_sent,
        ),
        about_v6(
            "packet too big about a tracked flow",
            RelatedError,
            TRACKED,
            (2, 0),
            as_sent,
        ),
        about_v6(
            "ICMPv6 time exceeded about a tracked flow",
            RelatedError,
            TRACKED,
            (3, 0),
            as_sent,
        ),
        about_v6(
            "ICMPv6 parameter problem about a tracked flow",
            RelatedError,
            TRACKED,
            (4, 0),
            as_sent,
        ),
        // The type numbers of the other family.
        about(
            "message 1 of ICMPv4 that quotes a tracked flow",
            PolicyDenied,
            "No error of this family.",
            (1, 4),
            as_sent,
        ),
        about_v6(
            "message 11 of ICMPv6 that quotes a tracked flow",
            PolicyDenied,
            "No error of this family.",
            (11, 0),
            as_sent,
        ),
    ]
}

fn quotes() -> Vec<Case> {
    vec![
        about(
            "error that quotes another port of the flow",
            PolicyDenied,
            FOREIGN,
            (3, 3),
            |ends, _| {
                ends.back()
                    .header_v4(17)
                    .packet(&frame::udp((ends.port, CLOSED), &[]))
            },
        ),
        about(
            "error that quotes another pod's flow",
            PolicyDenied,
            FOREIGN,
            (3, 3),
            |ends, mut quoted| {
                quoted[12..16].copy_from_slice(&ends.other.v4.octets());
                quoted
            },
        ),
        about(
            "error that quotes the flow's other direction",
            PolicyDenied,
            "The quoted packet came from the one who sends the error.",
            (3, 3),
            |ends, _| {
                ends.header_v4(17)
                    .packet(&frame::udp((DNS, ends.port), &[]))
            },
        ),
        about(
            "quote with IP options",
            RelatedError,
            TRACKED,
            (3, 3),
            |ends, _| {
                let header = Ipv4 {
                    options: &[148, 4, 0, 0],
                    ..ends.back().header_v4(17)
                };
                header.packet(&frame::udp((ends.port, DNS), &[]))
            },
        ),
        about(
            "quote with a header length below 5",
            PolicyDenied,
            NO_QUOTE,
            (3, 3),
            |_, mut quoted| {
                quoted[0] = 0x41;
                quoted
            },
        ),
        about(
            "quote of the other family",
            PolicyDenied,
            NO_QUOTE,
            (3, 3),
            |ends, _| {
                ends.back()
                    .header_v6(17)
                    .packet(&frame::udp((ends.port, DNS), &[]))
            },
        ),
    ]
}

fn short_quotes() -> Vec<Case> {
    vec![
        about(
            "quote cut off before the ports",
            PolicyDenied,
            "RFC 792 quotes 8 bytes behind the header.",
            (3, 3),
            |_, mut quoted| {
                quoted.truncate(19);
                quoted
            },
        ),
        about(
            "error without a quote",
            PolicyDenied,
            NO_QUOTE,
            (3, 3),
            |_, _| Vec::new(),
        ),
        about(
            "error about an ICMP error",
            PolicyDenied,
            "RFC 1122 §3.2.2: nobody sends one.",
            (3, 3),
            |ends, quoted| {
                ends.back()
                    .header_v4(1)
                    .packet(&frame::icmp(3, 3, ends.port, &quoted))
            },
        ),
        elsewhere(),
        about_tcp(),
    ]
}

/// The flow is the sender's, the error goes to a third.
fn elsewhere() -> Case {
    const WHY: &str = "An error goes to whom the quoted packet came from (RFC 1122 §3.2.2); another could be sent anything in it.";
    let mut case = about(
        "error about a tracked flow to somebody else",
        PolicyDenied,
        WHY,
        (3, 3),
        as_sent,
    );
    let inner = case.frames;
    case.frames = Box::new(move |ends| {
        let mut frames = inner(ends);
        let last = frames.last_mut().unwrap();
        last[30..34].copy_from_slice(&ends.other.v4.octets());
        frames
    });
    case
}

fn about_tcp() -> Case {
    sequence(
        "fragmentation needed about a TCP connection",
        RelatedError,
        TRACKED,
        |ends| {
            let back = ends.back();
            let sent = back.v4(6, &frame::tcp((ends.port, HTTP), frame::SYN));
            let error = frame::icmp(3, 4, 0, &sent[14..14 + 28]);
            vec![sent, ends.v4(1, &[&error[..], &ends.mark].concat())]
        },
    )
}

fn fragments() -> Vec<Case> {
    const LATER: &str =
        "A later fragment has no ports; routers complain about the first (RFC 1812 §4.3.2.3).";
    let quoted_v4 = |field| {
        move |ends: &Ends, _| {
            let header = Ipv4 {
                fragment: field,
                ..ends.back().header_v4(17)
            };
            header.packet(&frame::udp((ends.port, DNS), &[]))
        }
    };
    let quoted_v6 = |low: u8| {
        move |ends: &Ends, _| {
            let payload = [
                &[17, 0, 0, low, 0, 0, 0, 9][..],
                &frame::udp((ends.port, DNS), &[]),
            ]
            .concat();
            ends.back().header_v6(44).packet(&payload)
        }
    };
    vec![
        about(
            "error about the first fragment of a datagram",
            RelatedError,
            TRACKED,
            (3, 4),
            quoted_v4(MORE_FRAGMENTS),
        ),
        about(
            "error about a later fragment",
            PolicyDenied,
            LATER,
            (3, 4),
            quoted_v4(185),
        ),
        about_v6(
            "packet too big about the first fragment of a datagram",
            RelatedError,
            TRACKED,
            (2, 0),
            quoted_v6(1),
        ),
        about_v6(
            "packet too big about a later fragment",
            PolicyDenied,
            LATER,
            (2, 0),
            quoted_v6(9),
        ),
    ]
}

#[test]
fn errors() {
    Stage::new().play(&cases());
}
