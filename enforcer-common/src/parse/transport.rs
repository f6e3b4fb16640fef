//! Transport headers: ports, ICMP types, and what opens or ends a connection.

use super::{Ip, number};
use crate::packet::{Packet, halves};
use crate::reason::Reason;

/// What a transport header tells.
///
/// A plain structure that is filled in place, rather than an enum with payloads in a `Result`: what
/// some variant lacks would be undefined, and the verifier refuses a program that as much as
/// copies such a register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transport {
    /// What kind of message it is.
    pub kind: Kind,
    /// What the packet does to its connection.
    pub phase: Phase,
    /// IANA protocol number.
    pub protocol: u8,
    /// The source port in the high half, the destination port in the low half.
    ///
    /// An echo has its identifier on the side that asks and 8 on the side that answers, so that
    /// the pair tells the initiator. Other ICMP messages have their type and code here, protocols
    /// without ports 0.
    pub ports: u32,
}

impl Transport {
    /// What a packet of a protocol without a known transport header tells.
    #[inline(always)]
    pub const fn opaque(protocol: u8) -> Self {
        Self {
            kind: Kind::Flow,
            phase: Phase::Open,
            protocol,
            ports: 0,
        }
    }
}

/// Kinds of messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// Part of a flow: TCP, UDP, SCTP, ICMP echo, and all protocols that are not looked into.
    Flow,
    /// An ICMP or `ICMPv6` error; it quotes the packet it is about.
    Error,
    /// Neighbour discovery (RFC 4861) or multicast listener discovery (RFC 2710, RFC 3810) from
    /// somebody on the same link.
    Neighbour,
    /// Any other ICMP or `ICMPv6` message: stands alone.
    Message,
}

/// What a packet does to its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Phase {
    /// Opens it: TCP SYN without ACK, SCTP INIT.
    Opening,
    /// Belongs to one that is open; the only phase of UDP.
    Open,
    /// Ends it: TCP FIN or RST, SCTP ABORT or SHUTDOWN.
    Closing,
}

/// Exchanges the two halves of a pair of ports.
#[inline(always)]
pub const fn swap(ports: u32) -> u32 {
    ports.rotate_left(16)
}

/// Joins two ports.
#[inline(always)]
pub const fn pair(source: u16, destination: u16) -> u32 {
    (source as u32) << 16 | destination as u32
}

/// The shortest transport header of a protocol, 0 for protocols that are not looked into.
#[inline(always)]
pub const fn shortest_header(protocol: u8) -> u32 {
    match protocol {
        number::TCP => 20,
        number::UDP | number::ICMP | number::ICMPV6 => 8,
        // The common header and the head of the first chunk.
        number::SCTP => 16,
        _ => 0,
    }
}

/// Reads the transport header of a packet that is whole, or of its first fragment, into `transport`,
/// which comes [`Transport::opaque`].
#[inline(always)]
pub fn parse<const W: usize>(
    packet: &impl Packet,
    ip: &Ip<W>,
    transport: &mut Transport,
) -> Result<(), Reason> {
    let protocol = ip.protocol;
    let shortest = shortest_header(protocol);
    if shortest == 0 {
        return Ok(());
    }
    if ip.transport + shortest > ip.end {
        // RFC 1858: a first fragment so short that it hides the header.
        return Err(if ip.piece.partial {
            Reason::FragmentEvasive
        } else {
            Reason::Malformed
        });
    }
    let [first, second] = packet
        .transport_words(ip.transport)
        .ok_or(Reason::Malformed)?;
    match protocol {
        number::ICMP | number::ICMPV6 => {
            let [message, code, ..] = first.to_ne_bytes();
            // The type numbers of each family's ICMP mean nothing in the other family.
            transport.kind = match (W, protocol) {
                (1, number::ICMP) => icmp_kind(message),
                (4, number::ICMPV6) => icmpv6_kind(message, ip.hops, is_multicast(ip)),
                _ => Kind::Message,
            };
            let identifier = halves(second).0;
            transport.ports = match transport.kind {
                Kind::Flow => echo_ports(message, identifier),
                _ => pair(u16::from(message), u16::from(code)),
            };
        }
        _ => {
            transport.ports = u32::from_be(first);
            transport.phase = phase(packet, protocol, ip.transport)?;
        }
    }
    Ok(())
}

#[inline(always)]
fn phase(packet: &impl Packet, protocol: u8, transport: u32) -> Result<Phase, Reason> {
    const FIN: u8 = 1;
    const SYN: u8 = 2;
    const RST: u8 = 4;
    const ACK: u8 = 16;
    // No TCP sends other combinations (RFC 9293 §3.10.7): some begin and end a connection at once,
    // others are no part of any.
    const SYN_ACK: u8 = SYN | ACK;
    const RST_ACK: u8 = RST | ACK;
    const FIN_ACK: u8 = FIN | ACK;
    // RFC 9260 §3.2.
    const INIT: u8 = 1;
    const ABORT: u8 = 6;
    const SHUTDOWN: u8 = 7;
    const SHUTDOWN_COMPLETE: u8 = 14;
    match protocol {
        number::TCP => {
            let flags = packet
                .transport_u8(transport, 13)
                .ok_or(Reason::Malformed)?;
            match flags & (FIN | SYN | RST | ACK) {
                SYN => Ok(Phase::Opening),
                ACK | SYN_ACK => Ok(Phase::Open),
                RST | RST_ACK | FIN_ACK => Ok(Phase::Closing),
                _ => Err(Reason::Malformed),
            }
        }
        number::SCTP => Ok(
            match packet
                .transport_u8(transport, 12)
                .ok_or(Reason::Malformed)?
            {
                INIT => Phase::Opening,
                ABORT | SHUTDOWN | SHUTDOWN_COMPLETE => Phase::Closing,
                _ => Phase::Open,
            },
        ),
        _ => Ok(Phase::Open),
    }
}

const ECHO_REQUEST: u8 = 8;
const ECHO_REQUEST_V6: u8 = 128;

/// The ports of an echo of either family: see [`Transport::ports`].
#[inline(always)]
pub const fn echo_ports(message: u8, identifier: u16) -> u32 {
    match message {
        ECHO_REQUEST | ECHO_REQUEST_V6 => pair(identifier, ECHO_REQUEST as u16),
        _ => pair(ECHO_REQUEST as u16, identifier),
    }
}

/// ICMP (RFC 792).
#[inline(always)]
pub const fn icmp_kind(message: u8) -> Kind {
    match message {
        0 | ECHO_REQUEST => Kind::Flow,
        // Destination unreachable, time exceeded, parameter problem. Not source quench, which all
        // must ignore (RFC 6633), and not redirect, which only the own router may send.
        3 | 11 | 12 => Kind::Error,
        _ => Kind::Message,
    }
}

/// `ICMPv6` (RFC 4443, RFC 4861).
#[inline(always)]
pub const fn icmpv6_kind(message: u8, hops: u8, multicast: bool) -> Kind {
    match message {
        ECHO_REQUEST_V6 | 129 => Kind::Flow,
        1..=4 => Kind::Error,
        // RFC 3810 §5: no router passes them on.
        130..=132 | 143 if hops == 1 && multicast => Kind::Neighbour,
        // RFC 4861 §6.1: what came through a router is no neighbour's.
        133..=137 if hops == 255 => Kind::Neighbour,
        _ => Kind::Message,
    }
}

/// IPv6 multicast (RFC 4291 §2.7).
#[inline(always)]
const fn is_multicast<const W: usize>(ip: &Ip<W>) -> bool {
    ip.destination[0].to_ne_bytes()[0] == 0xff
}
