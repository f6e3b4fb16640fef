//! What the kernel's queue and its reader say to each other (`linux/netfilter/nfnetlink_queue.h`).

use std::net::Ipv4Addr;

use netlink_packet_core::{NLM_F_ACK, NLM_F_REQUEST};

/// The subsystem in the upper byte of a message's type, the message in the lower one.
const PACKET: u16 = 0x0300;
const VERDICT: u16 = 0x0301;
const CONFIG: u16 = 0x0302;

/// Attributes of packets and verdicts.
const PACKET_HDR: u16 = 1;
const VERDICT_HDR: u16 = 2;
const PAYLOAD: u16 = 10;

/// Attributes of a configuration, and what they say.
const CFG_CMD: u16 = 1;
const CFG_PARAMS: u16 = 2;
const BIND: u8 = 1;
const COPY_PACKET: u8 = 2;

/// Bytes of a packet that are enough to judge it: IPv4 with options, and ports.
const ENOUGH: u32 = 64;

/// `linux/netfilter.h`.
const DROP: u32 = 0;
const ACCEPT: u32 = 1;

/// A netlink header and that of netfilter.
const HEADERS: usize = 20;

/// A packet that waits for its verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Waiting {
    /// By which the kernel knows it.
    pub(super) id: u32,
    /// What can be said of it; `None` when it is none that policies speak of.
    pub(super) tuple: Option<Tuple>,
}

/// Who wants to talk with whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tuple {
    pub(super) source: Ipv4Addr,
    pub(super) destination: Ipv4Addr,
    pub(super) port: u16,
}

/// Asks for a queue's packets.
pub(super) fn bind(queue: u16) -> Vec<u8> {
    let command = [BIND, 0, 0, 0];
    message(CONFIG, queue, NLM_F_ACK, &[(CFG_CMD, &command)])
}

/// Asks for the first bytes of each.
pub(super) fn copy(queue: u16) -> Vec<u8> {
    let mut parameters = ENOUGH.to_be_bytes().to_vec();
    parameters.push(COPY_PACKET);
    message(CONFIG, queue, NLM_F_ACK, &[(CFG_PARAMS, &parameters)])
}

/// What becomes of a packet.
pub(super) fn verdict(queue: u16, id: u32, allowed: bool) -> Vec<u8> {
    let verdict = if allowed { ACCEPT } else { DROP };
    let both = [verdict.to_be_bytes(), id.to_be_bytes()].concat();
    message(VERDICT, queue, 0, &[(VERDICT_HDR, &both)])
}

fn message(kind: u16, queue: u16, flags: u16, attributes: &[(u16, &[u8])]) -> Vec<u8> {
    let mut bytes = vec![0; 4];
    bytes.extend(kind.to_ne_bytes());
    bytes.extend((NLM_F_REQUEST | flags).to_ne_bytes());
    // Sequence number and sender; then family and version.
    bytes.extend([0; 10]);
    bytes.extend(queue.to_be_bytes());
    for (kind, value) in attributes {
        let length = u16::try_from(4 + value.len()).unwrap_or(u16::MAX);
        bytes.extend(length.to_ne_bytes());
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(*value);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
    }
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    bytes[..4].copy_from_slice(&length.to_ne_bytes());
    bytes
}

/// The packets in a datagram from the kernel.
pub(super) fn packets(mut bytes: &[u8]) -> Vec<Waiting> {
    let mut packets = Vec::new();
    while let Some(length) = bytes.first_chunk().map(|first| u32::from_ne_bytes(*first)) {
        let length = length as usize;
        let Some(message) = bytes.get(..length).filter(|_| length >= HEADERS) else {
            break;
        };
        if message[4..6] == PACKET.to_ne_bytes() {
            packets.extend(packet(&message[HEADERS..]));
        }
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    packets
}

fn packet(mut attributes: &[u8]) -> Option<Waiting> {
    let (mut id, mut tuple) = (None, None);
    while let Some([l0, l1, k0, k1]) = attributes.first_chunk() {
        let length = usize::from(u16::from_ne_bytes([*l0, *l1]));
        let value = attributes.get(4..length)?;
        match u16::from_ne_bytes([*k0, *k1]) {
            PACKET_HDR => id = value.first_chunk().map(|id| u32::from_be_bytes(*id)),
            PAYLOAD => tuple = self::tuple(value),
            _ => {}
        }
        attributes = attributes
            .get(length.next_multiple_of(4)..)
            .unwrap_or_default();
    }
    id.map(|id| Waiting { id, tuple })
}

/// Addresses and destination port of an IPv4 packet of TCP or UDP.
fn tuple(packet: &[u8]) -> Option<Tuple> {
    const TCP: u8 = 6;
    const UDP: u8 = 17;
    let address = |at: usize| {
        let bytes: [u8; 4] = packet.get(at..)?.first_chunk().copied()?;
        Some(Ipv4Addr::from(bytes))
    };
    let header = usize::from(packet.first()? & 0xf) * 4;
    if !matches!(packet.get(9)?, &TCP | &UDP) {
        return None;
    }
    let port: [u8; 2] = packet.get(header + 2..)?.first_chunk().copied()?;
    Some(Tuple {
        source: address(12)?,
        destination: address(16)?,
        port: u16::from_be_bytes(port),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From 10.0.0.1:1024 to 10.0.0.2:7000 by TCP, cut behind the ports.
    const IP: [u8; 24] = [
        0x45, 0, 0, 40, 0, 0, 0, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, 4, 0, 27, 88,
    ];

    fn queued(id: u32, payload: &[u8]) -> Vec<u8> {
        let mut header = id.to_be_bytes().to_vec();
        header.extend([8, 0, 2]);
        message(PACKET, 0, 0, &[(PACKET_HDR, &header), (PAYLOAD, payload)])
    }

    #[test]
    fn packets_are_read_one_behind_the_other() {
        let datagram = [queued(7, &IP), queued(8, &IP[..19])].concat();
        let tuple = Tuple {
            source: Ipv4Addr::new(10, 0, 0, 1),
            destination: Ipv4Addr::new(10, 0, 0, 2),
            port: 7000,
        };
        let [first, second] = packets(&datagram)[..] else {
            panic!("two packets");
        };
        assert_eq!((first.id, first.tuple), (7, Some(tuple)));
        assert_eq!((second.id, second.tuple), (8, None));
    }

    #[test]
    fn cut_messages_are_no_packets() {
        let whole = queued(7, &IP);
        for length in 0..whole.len() {
            assert_eq!(packets(&whole[..length]), []);
        }
        let mut other = whole;
        other[4] = 1;
        assert_eq!(packets(&other), []);
    }

    #[test]
    fn a_verdict_is_as_the_kernel_wants_it() {
        let expected: [u8; 32] = [
            32, 0, 0, 0, 1, 3, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5, 12, 0, 2, 0, 0, 0, 0, 1,
            0, 0, 0, 9,
        ];
        assert_eq!(verdict(5, 9, true), expected);
    }
}
