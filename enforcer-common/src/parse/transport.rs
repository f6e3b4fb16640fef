//! Transport headers: ports, ICMP types, and what opens or ends a connection.

use super::{Ip, number};
use crate::abi::Direction;
use crate::packet::{Packet, halves};
use crate::reason::Reason;

/// What a transport header tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum L4 {
    /// TCP, UDP or SCTP.
    Ports {
        /// Source port.
        source: u16,
        /// Destination port.
        destination: u16,
        /// What the packet does to its connection.
        phase: Phase,
    },
    /// ICMP or `ICMPv6` echo (RFC 792, RFC 4443 §4).
    Echo {
        /// Request, not reply.
        request: bool,
        /// The identifier.
        identifier: u16,
    },
    /// An ICMP or `ICMPv6` error; it quotes the packet it is about.
    Error,
    /// Neighbour discovery (RFC 4861, with the hop limit of 255) or multicast listener discovery
    /// (RFC 2710, RFC 3810); the number is the `ICMPv6` type.
    Neighbour(u8),
    /// Any other ICMP or `ICMPv6` message, and every protocol without ports.
    Other,
}

/// What a packet does to its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Opens it: TCP SYN without ACK, SCTP INIT.
    Opening,
    /// Belongs to one that is open; the only phase of UDP.
    Open,
    /// Ends it: TCP FIN or RST, SCTP ABORT or SHUTDOWN.
    Closing,
}

impl L4 {
    /// The part of the flow key that ports make: the pod's side in the high half.
    ///
    /// An echo uses the identifier on the side that asks and 8 on the side that answers, so that
    /// the key tells the initiator. `None` for messages that open no flow.
    #[inline(always)]
    pub const fn flow_ports(self, hook: Direction) -> Option<u32> {
        const ECHO: u16 = 8;
        let (source, destination) = match self {
            Self::Ports { source, destination, .. } => (source, destination),
            Self::Echo { request: true, identifier } => (identifier, ECHO),
            Self::Echo { request: false, identifier } => (ECHO, identifier),
            Self::Other => (0, 0),
            Self::Error | Self::Neighbour(_) => return None,
        };
        Some(match hook {
            Direction::Egress => (source as u32) << 16 | destination as u32,
            Direction::Ingress => (destination as u32) << 16 | source as u32,
        })
    }

    /// What the packet does to its connection.
    #[inline(always)]
    pub const fn phase(self) -> Phase {
        match self {
            Self::Ports { phase, .. } => phase,
            _ => Phase::Open,
        }
    }
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

/// The transport header of a packet that is whole, or of its first fragment.
#[inline(always)]
pub fn parse<const W: usize>(packet: &impl Packet, ip: &Ip<W>) -> Result<L4, Reason> {
    let shortest = shortest_header(ip.protocol);
    if shortest == 0 {
        return Ok(L4::Other);
    }
    if ip.transport + shortest > ip.end {
        // RFC 1858: a first fragment so short that it hides the header.
        return Err(if ip.fragment.is_some() { Reason::FragmentEvasive } else { Reason::Malformed });
    }
    let [first, second] = packet.words_at::<2>(ip.transport).ok_or(Reason::Malformed)?;
    match ip.protocol {
        // The type numbers of each family's ICMP mean nothing in the other family.
        number::ICMP if W == 1 => Ok(icmp(first, second)),
        number::ICMPV6 if W == 4 => Ok(icmpv6(first, second, ip.hops)),
        number::ICMP | number::ICMPV6 => Ok(L4::Other),
        _ => {
            let (source, destination) = halves(first);
            Ok(L4::Ports { source, destination, phase: phase(packet, ip.protocol, ip.transport)? })
        }
    }
}

#[inline(always)]
fn phase(packet: &impl Packet, protocol: u8, transport: u32) -> Result<Phase, Reason> {
    const FIN: u8 = 1;
    const SYN: u8 = 2;
    const RST: u8 = 4;
    const ACK: u8 = 16;
    // RFC 9260 §3.2.
    const INIT: u8 = 1;
    const ABORT: u8 = 6;
    const SHUTDOWN: u8 = 7;
    const SHUTDOWN_COMPLETE: u8 = 14;
    match protocol {
        number::TCP => {
            let flags = packet.u8_at(transport + 13).ok_or(Reason::Malformed)?;
            Ok(if flags & (FIN | RST) != 0 {
                Phase::Closing
            } else if flags & (SYN | ACK) == SYN {
                Phase::Opening
            } else {
                Phase::Open
            })
        }
        number::SCTP => Ok(match packet.u8_at(transport + 12).ok_or(Reason::Malformed)? {
            INIT => Phase::Opening,
            ABORT | SHUTDOWN | SHUTDOWN_COMPLETE => Phase::Closing,
            _ => Phase::Open,
        }),
        _ => Ok(Phase::Open),
    }
}

#[inline(always)]
fn icmp(first: u32, second: u32) -> L4 {
    let identifier = halves(second).0;
    match first.to_ne_bytes()[0] {
        8 => L4::Echo { request: true, identifier },
        0 => L4::Echo { request: false, identifier },
        // Destination unreachable, source quench, redirect, time exceeded, parameter problem.
        3 | 4 | 5 | 11 | 12 => L4::Error,
        _ => L4::Other,
    }
}

#[inline(always)]
fn icmpv6(first: u32, second: u32, hops: u8) -> L4 {
    let identifier = halves(second).0;
    match first.to_ne_bytes()[0] {
        128 => L4::Echo { request: true, identifier },
        129 => L4::Echo { request: false, identifier },
        1..=4 => L4::Error,
        // RFC 4861 §6.1: what came through a router is no neighbour's.
        kind @ 133..=137 if hops == 255 => L4::Neighbour(kind),
        kind @ (130..=132 | 143) => L4::Neighbour(kind),
        _ => L4::Other,
    }
}
