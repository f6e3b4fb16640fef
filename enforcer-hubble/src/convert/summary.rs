//! A flow on one line.

use std::fmt::Write as _;

use enforcer_common::parse::number;
use enforcer_flows::{Icmp, Protocol, Record, TcpFlags};

/// In the order of the header's bits.
const FLAGS: [(u8, &str); 8] = [
    (0x02, "SYN"),
    (0x10, "ACK"),
    (0x04, "RST"),
    (0x01, "FIN"),
    (0x08, "PSH"),
    (0x20, "URG"),
    (0x40, "ECE"),
    (0x80, "CWR"),
];

/// Types with names: version 4, version 6, name.
const TYPES: [(u8, u8, &str); 5] = [
    (8, 128, "EchoRequest"),
    (0, 129, "EchoReply"),
    (3, 1, "DestinationUnreachable"),
    (11, 3, "TimeExceeded"),
    (12, 4, "ParameterProblem"),
];

pub(super) fn summary(record: &Record) -> String {
    let mut text = match (record.protocol, record.flags) {
        (Protocol::TCP, Some(flags)) => format!("TCP Flags: {}", names(flags)),
        (Protocol::Ip(number::ICMP), _) => format!("ICMPv4{}", icmp(record.icmp, false)),
        (Protocol::Ip(number::ICMPV6), _) => format!("ICMPv6{}", icmp(record.icmp, true)),
        (protocol, _) => protocol.to_string(),
    };
    if record.count > 1 {
        // Writing to a String does not fail.
        let _ = write!(text, ", {} packets", record.count);
    }
    text
}

fn names(TcpFlags(byte): TcpFlags) -> String {
    let set = FLAGS.into_iter().filter(|(bit, _)| byte & bit != 0);
    set.map(|(_, name)| name).collect::<Vec<_>>().join(", ")
}

fn icmp(icmp: Option<Icmp>, is_six: bool) -> String {
    let Some(Icmp { kind, code }) = icmp else {
        return String::new();
    };
    let mut types = TYPES.into_iter();
    match types.find(|(four, six, _)| kind == if is_six { *six } else { *four }) {
        Some((_, _, name)) => format!(" {name}"),
        None => format!(" type {kind} code {code}"),
    }
}
