//! Ethernet frames, as a pod's link carries them: what `trace` and the tests show to the verdict
//! algorithm.
//!
//! Lengths are right; checksums are 0, because nothing on the packet path reads them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use enforcer_common::parse::number;

/// The source port of connections that are made up here, one of those that clients get.
pub const CLIENT_PORT: u16 = 49_152;

/// The TCP flag SYN.
pub const SYN: u8 = 2;
/// The TCP flag ACK.
pub const ACK: u8 = 16;
/// The TCP flag RST.
pub const RST: u8 = 4;
/// The TCP flag FIN.
pub const FIN: u8 = 1;

/// The SCTP chunk DATA.
pub const SCTP_DATA: u8 = 0;
/// The SCTP chunk INIT.
pub const SCTP_INIT: u8 = 1;

const HOP_LIMIT: u8 = 64;

/// IPv6 "no next header" (RFC 8200 §4.7).
const NO_NEXT_HEADER: u8 = 59;

/// The first packet of a new connection: TCP SYN, UDP, SCTP INIT, an ICMP or `ICMPv6` echo request,
/// or a packet of any other protocol. `None` when the addresses are of different families.
pub fn opening(source: IpAddr, destination: IpAddr, protocol: u8, port: u16) -> Option<Vec<u8>> {
    let ports = (CLIENT_PORT, port);
    let payload = match (protocol, source) {
        (number::TCP, _) => tcp(ports, SYN),
        (number::UDP, _) => udp(ports, b"enforcer"),
        (number::SCTP, _) => sctp(ports, SCTP_INIT),
        (number::ICMP, IpAddr::V4(_)) => icmp(8, 0, CLIENT_PORT, &[]),
        (number::ICMPV6, IpAddr::V6(_)) => icmp(128, 0, CLIENT_PORT, &[]),
        // Also a valid extension header, should the number be one of those.
        _ => vec![NO_NEXT_HEADER, 0, 0, 0, 0, 0, 0, 0],
    };
    ip(source, destination, protocol, &payload)
}

/// A packet of the client in the middle of a connection: TCP ACK, UDP, SCTP DATA, an ICMP or
/// `ICMPv6` echo request whose identifier is the client's port, or a packet of any other protocol.
/// `None` when the addresses are of different families.
pub fn continuing(client: SocketAddr, server: SocketAddr, protocol: u8) -> Option<Vec<u8>> {
    let ports = (client.port(), server.port());
    let payload = match (protocol, client) {
        (number::TCP, _) => tcp(ports, ACK),
        (number::UDP, _) => udp(ports, b"enforcer"),
        (number::SCTP, _) => sctp(ports, SCTP_DATA),
        (number::ICMP, SocketAddr::V4(_)) => icmp(8, 0, client.port(), &[]),
        (number::ICMPV6, SocketAddr::V6(_)) => icmp(128, 0, client.port(), &[]),
        _ => vec![NO_NEXT_HEADER, 0, 0, 0, 0, 0, 0, 0],
    };
    ip(client.ip(), server.ip(), protocol, &payload)
}

/// An IP packet in an Ethernet frame; `None` when the addresses are of different families.
pub fn ip(source: IpAddr, destination: IpAddr, protocol: u8, payload: &[u8]) -> Option<Vec<u8>> {
    match (source, destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            let header = Ipv4::new(source, destination, protocol);
            Some(ethernet(number::IPV4, &header.packet(payload)))
        }
        (IpAddr::V6(source), IpAddr::V6(destination)) => {
            let header = Ipv6::new(source, destination, protocol);
            Some(ethernet(number::IPV6, &header.packet(payload)))
        }
        _ => None,
    }
}

/// An Ethernet frame between two made-up addresses.
pub fn ethernet(ethertype: u16, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2];
    frame.extend(ethertype.to_be_bytes());
    frame.extend(payload);
    frame
}

/// An IPv4 header (RFC 791).
#[derive(Clone, Copy, Debug)]
pub struct Ipv4<'a> {
    /// Source address.
    pub source: Ipv4Addr,
    /// Destination address.
    pub destination: Ipv4Addr,
    /// IANA protocol number.
    pub protocol: u8,
    /// Which datagram it is a part of.
    pub identification: u16,
    /// The flags and the fragment offset, as they are on the wire.
    pub fragment: u16,
    /// The options, a multiple of 4 bytes and at most 40.
    pub options: &'a [u8],
}

impl Ipv4<'_> {
    /// A header without options, of a datagram in one piece.
    pub fn new(source: Ipv4Addr, destination: Ipv4Addr, protocol: u8) -> Self {
        Self {
            source,
            destination,
            protocol,
            identification: 0,
            fragment: 0,
            options: &[],
        }
    }

    /// The header with its payload.
    pub fn packet(&self, payload: &[u8]) -> Vec<u8> {
        let header = 20 + self.options.len();
        let mut packet = vec![0x40 | low_byte(header / 4), 0];
        packet.extend(length(header + payload.len()));
        packet.extend(self.identification.to_be_bytes());
        packet.extend(self.fragment.to_be_bytes());
        packet.extend([HOP_LIMIT, self.protocol, 0, 0]);
        packet.extend(self.source.octets());
        packet.extend(self.destination.octets());
        packet.extend(self.options);
        packet.extend(payload);
        packet
    }
}

/// An IPv6 header (RFC 8200).
#[derive(Clone, Copy, Debug)]
pub struct Ipv6 {
    /// Source address.
    pub source: Ipv6Addr,
    /// Destination address.
    pub destination: Ipv6Addr,
    /// IANA protocol number of what follows, extension headers among them.
    pub next: u8,
    /// Routers that it may still pass.
    pub hops: u8,
}

impl Ipv6 {
    /// A header with the usual hop limit.
    pub fn new(source: Ipv6Addr, destination: Ipv6Addr, next: u8) -> Self {
        Self {
            source,
            destination,
            next,
            hops: HOP_LIMIT,
        }
    }

    /// The header with its payload.
    pub fn packet(&self, payload: &[u8]) -> Vec<u8> {
        let mut packet = vec![0x60, 0, 0, 0];
        packet.extend(length(payload.len()));
        packet.extend([self.next, self.hops]);
        packet.extend(self.source.octets());
        packet.extend(self.destination.octets());
        packet.extend(payload);
        packet
    }
}

/// A TCP header (RFC 9293) with the ports (source, destination).
pub fn tcp(ports: (u16, u16), flags: u8) -> Vec<u8> {
    let mut header = pair(ports);
    header.extend([0; 8]);
    header.extend([5 << 4, flags, 0xff, 0xff, 0, 0, 0, 0]);
    header
}

/// A UDP datagram (RFC 768).
pub fn udp(ports: (u16, u16), payload: &[u8]) -> Vec<u8> {
    let mut datagram = pair(ports);
    datagram.extend(length(8 + payload.len()));
    datagram.extend([0, 0]);
    datagram.extend(payload);
    datagram
}

/// An SCTP packet (RFC 9260) with one chunk of this type, long enough to be an INIT.
pub fn sctp(ports: (u16, u16), chunk: u8) -> Vec<u8> {
    let mut packet = pair(ports);
    packet.extend([0; 8]);
    packet.extend([chunk, 0, 0, 20]);
    packet.extend([0; 16]);
    packet
}

/// An ICMP (RFC 792) or `ICMPv6` (RFC 4443) message; `identifier` is an echo's.
pub fn icmp(message: u8, code: u8, identifier: u16, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![message, code, 0, 0];
    packet.extend(identifier.to_be_bytes());
    packet.extend([0, 1]);
    packet.extend(payload);
    packet
}

/// An ARP packet (RFC 826) for IPv4 over Ethernet; `operation` is 1 for a request, 2 for a reply.
pub fn arp(operation: u16, sender: Ipv4Addr, target: Ipv4Addr) -> Vec<u8> {
    let mut packet = vec![0, 1, 8, 0, 6, 4];
    packet.extend(operation.to_be_bytes());
    packet.extend([2, 0, 0, 0, 0, 2]);
    packet.extend(sender.octets());
    packet.extend([0; 6]);
    packet.extend(target.octets());
    packet
}

fn pair((source, destination): (u16, u16)) -> Vec<u8> {
    [source.to_be_bytes(), destination.to_be_bytes()].concat()
}

/// A length field; what is too long for it is not built here.
fn length(bytes: usize) -> [u8; 2] {
    u16::try_from(bytes).unwrap_or(u16::MAX).to_be_bytes()
}

fn low_byte(number: usize) -> u8 {
    number.to_le_bytes()[0]
}
