//! TCP and UDP: segments without a flow, both directions of one tuple, ports nobody uses.

use std::net::Ipv4Addr;

use enforcer::datapath::frame::{self, ACK, FIN, RST, SYN};
use enforcer_common::Reason;
use enforcer_common::Reason::{Allowed, Established, Malformed, PolicyDenied};

use crate::case::{CLOSED, Case, DNS, Ends, HTTP, case, sequence};
use crate::stage::Stage;

const PSH: u8 = 8;
const URG: u8 = 32;

const NO_TCP: &str = "No TCP sends it (RFC 9293 §3.10.7): a scan, or a way to begin what is not seen as a beginning.";
const MIDDLE: &str =
    "It may belong to a connection from before the pod was isolated; what policy allows goes on.";
const MIDDLE_DENIED: &str = "Policy forbids the connection that it would belong to.";

fn segment(name: &'static str, reason: Reason, why: &'static str, port: u16, flags: u8) -> Case {
    case(name, reason, why, move |ends| {
        ends.v4(6, &ends.tcp(port, flags))
    })
}

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = flags();
    cases.extend(without_flow());
    cases.extend(both_ways());
    cases.extend(ports());
    cases
}

fn flags() -> Vec<Case> {
    vec![
        segment(
            "TCP segment without any flag (null scan)",
            Malformed,
            NO_TCP,
            HTTP,
            0,
        ),
        segment(
            "FIN, PSH, URG (xmas scan)",
            Malformed,
            NO_TCP,
            HTTP,
            FIN | PSH | URG,
        ),
        segment("all TCP flags", Malformed, NO_TCP, HTTP, 0xff),
        segment("FIN without ACK", Malformed, NO_TCP, HTTP, FIN),
        segment("SYN, FIN", Malformed, NO_TCP, HTTP, SYN | FIN),
        segment("SYN, RST", Malformed, NO_TCP, HTTP, SYN | RST),
        segment("SYN, FIN, ACK", Malformed, NO_TCP, HTTP, SYN | FIN | ACK),
        segment("FIN, RST", Malformed, NO_TCP, HTTP, FIN | RST),
        segment("PSH, URG without ACK", Malformed, NO_TCP, HTTP, PSH | URG),
        segment(
            "SYN to an allowed port",
            Allowed,
            "A rule allows it.",
            HTTP,
            SYN,
        ),
        segment(
            "SYN with data",
            Allowed,
            "Data may come with a SYN (RFC 9293 §3.10.7.2, RFC 7413).",
            HTTP,
            SYN | PSH,
        ),
        segment(
            "SYN to a port that is not allowed",
            PolicyDenied,
            "No rule allows it.",
            CLOSED,
            SYN,
        ),
        segment(
            "SYN, ECE, CWR",
            Allowed,
            "Asks for explicit congestion notification (RFC 3168 §6.1.1).",
            HTTP,
            SYN | 0xc0,
        ),
    ]
}

fn without_flow() -> Vec<Case> {
    vec![
        segment("ACK without a flow, allowed port", Allowed, MIDDLE, HTTP, ACK),
        segment("ACK without a flow, port that is not allowed", PolicyDenied, MIDDLE_DENIED, CLOSED, ACK),
        segment("SYN, ACK without a flow, port that is not allowed", PolicyDenied, MIDDLE_DENIED, CLOSED, SYN | ACK),
        segment("RST without a flow, port that is not allowed", PolicyDenied, MIDDLE_DENIED, CLOSED, RST),
        segment("FIN, ACK without a flow, port that is not allowed", PolicyDenied, MIDDLE_DENIED, CLOSED, FIN | ACK),
        case(
            "ACK without a flow from an allowed port to a client's",
            PolicyDenied,
            "Towards the pod, of a connection that it would have opened, which policy allows. From the pod, of one that it serves: it could send anything to anybody so.",
            |ends| ends.v4(6, &[&frame::tcp((HTTP, ends.port), ACK)[..], &ends.mark].concat()),
        )
        .received(Allowed),
        case(
            "ACK without a flow between two client ports",
            PolicyDenied,
            "Who opened it cannot be told, so both directions must allow it.",
            |ends| ends.v4(6, &[&frame::tcp((ends.port, 50_051), ACK)[..], &ends.mark].concat()),
        ),
    ]
}

fn both_ways() -> Vec<Case> {
    vec![
        sequence(
            "SYN of the other side with the ports of a connection that is allowed one way",
            PolicyDenied,
            "A SYN opens a connection of its own (simultaneous open, RFC 9293 §3.5); the connection that is allowed goes on.",
            |ends| {
                let first = ends.back().v4(6, &frame::tcp((ends.port, HTTP), SYN));
                let other = frame::tcp((HTTP, ends.port), SYN);
                vec![first, ends.v4(6, &[&other[..], &ends.mark].concat())]
            },
        ),
        sequence(
            "SYN, ACK of the other side on a connection that is allowed",
            Established,
            "Replies follow the flow.",
            |ends| {
                let first = ends.back().v4(6, &frame::tcp((ends.port, HTTP), SYN));
                let answer = frame::tcp((HTTP, ends.port), SYN | ACK);
                vec![first, ends.v4(6, &[&answer[..], &ends.mark].concat())]
            },
        ),
        sequence(
            "datagram on the same ports as one that came the other way",
            Established,
            "UDP has no beginning: what goes back on an allowed flow's ports is its reply.",
            |ends| {
                let first = ends.back().v4(17, &frame::udp((ends.port, DNS), &[]));
                vec![
                    first,
                    ends.v4(17, &frame::udp((DNS, ends.port), &ends.mark)),
                ]
            },
        ),
        sequence(
            "datagram on the same ports as a denied one that came the other way",
            PolicyDenied,
            "What was denied leaves no flow.",
            |ends| {
                let first = ends.back().v4(17, &frame::udp((ends.port, CLOSED), &[]));
                vec![
                    first,
                    ends.v4(17, &frame::udp((CLOSED, ends.port), &ends.mark)),
                ]
            },
        ),
        misled(
            "datagram to the pod's own address by another pod's MAC address",
            |ends| ends.from.v4,
        ),
        misled(
            "datagram to the own node's address by another pod's MAC address",
            |ends| ends.node,
        ),
    ]
}

/// A datagram that an exemption of its sender is for, but that goes to another pod.
fn misled(name: &'static str, to: fn(&Ends) -> Ipv4Addr) -> Case {
    const WHY: &str = "A pod may reach itself and its node, and so it passes from_pod deferred; on another pod's link it is neither for the one nor for the other.";
    let case = case(name, PolicyDenied, WHY, move |ends| {
        ends.between(ends.from.v4.into(), to(ends).into(), 17, &ends.udp(CLOSED))
    });
    Case {
        to_pod: None,
        ..case
    }
}

fn ports() -> Vec<Case> {
    const ZERO: &str =
        "No rule names port 0 (the API's ports begin at 1); only rules without ports allow it.";
    fn udp(ends: &Ends, from: u16, to: u16) -> Vec<u8> {
        ends.v4(17, &frame::udp((from, to), &ends.mark))
    }
    vec![
        case("UDP to port 0", PolicyDenied, ZERO, |ends| {
            udp(ends, ends.port, 0)
        }),
        segment("SYN to port 0", PolicyDenied, ZERO, 0, SYN),
        case(
            "UDP from port 0 to an allowed port",
            Allowed,
            "A source port of 0 means that no answer is wanted (RFC 768).",
            |ends| udp(ends, 0, DNS),
        ),
    ]
}

#[test]
fn tcp_and_udp() {
    Stage::new().play(&cases());
}
