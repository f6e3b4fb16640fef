//! One connection of a scenario.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};

use enforcer_lab::{Outcome, Protocol, probe, raw};
use enforcer_policy::oracle::Question;
use enforcer_testing::scenario::Verdict;

use crate::common::{LONG, SHORT};
use crate::play::Place;

const ICMP: u8 = 1;
const TCP: u8 = 6;
const UDP: u8 = 17;
const ICMPV6: u8 = 58;
const SCTP: u8 = 132;

/// With which server a question is asked; `None` if by raw packets.
pub(crate) fn served(question: &Question) -> Option<Protocol> {
    match (question.protocol, question.port) {
        (_, 0) => None,
        (TCP, _) => Some(Protocol::Tcp),
        (UDP, _) => Some(Protocol::Udp),
        _ => None,
    }
}

/// Whether the connection is made, or the packet arrives.
pub(crate) fn arrives(
    from: Place<'_>,
    to: Place<'_>,
    question: &Question,
    expected: Verdict,
) -> bool {
    let patience = match expected {
        Verdict::Allow => LONG,
        Verdict::Deny => SHORT,
    };
    let Some(protocol) = served(question) else {
        let (source, target) = ((from.at, from.address), (to.at, to.address));
        let payload = payload(question);
        return raw::arrives(source, target, question.protocol, &payload, patience).unwrap();
    };
    let source = Some(SocketAddr::new(from.address, 0));
    let target = SocketAddr::new(to.address, question.port);
    match probe::reach(from.at, source, target, protocol, patience).unwrap() {
        Outcome::Connected => true,
        Outcome::Timeout => false,
        other => panic!("{} → {target} by {protocol:?}: {other:?}", from.address),
    }
}

/// A transport header that opens a connection, and a mark of its own.
fn payload(question: &Question) -> Vec<u8> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let [high, low] = question.port.to_be_bytes();
    let mut bytes = match question.protocol {
        // Echo requests.
        ICMP => vec![8, 0, 0, 0, 0x77, 0x77, 0, 1],
        ICMPV6 => vec![128, 0, 0, 0, 0x77, 0x77, 0, 1],
        TCP => vec![
            0x9c, 0x40, high, low, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, 2, 4, 0, 0, 0, 0, 0,
        ],
        UDP => vec![0x9c, 0x40, high, low, 0, 16, 0, 0],
        // The common header and a chunk INIT, whose last 8 bytes are the mark.
        SCTP => {
            let common = [0x9c, 0x40, high, low, 0, 0, 0, 0, 0, 0, 0, 0];
            let init = [1, 0, 0, 20, 1, 2, 3, 4, 0, 0, 0x10, 0];
            [common, init].concat()
        }
        _ => vec![0; 8],
    };
    let mark = NEXT.fetch_add(1, Ordering::Relaxed) ^ 0x656e_666f_7263_6572;
    bytes.extend(mark.to_be_bytes());
    bytes
}
