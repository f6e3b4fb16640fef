//! Packet headers, as far as verdicts need them.

mod ipv4;
mod ipv6;
mod transport;

pub use ipv4::parse as ipv4;
pub use ipv6::{is_extension, parse as ipv6};
pub use transport::{
    Kind, Phase, Transport, echo_ports, icmp_kind, icmpv6_kind, pair, parse as transport,
    shortest_header, swap,
};

/// IANA numbers that are spelled out in the code.
pub mod number {
    /// Ethertype IPv4.
    pub const IPV4: u16 = 0x0800;
    /// Ethertype ARP.
    pub const ARP: u16 = 0x0806;
    /// Ethertype IPv6.
    pub const IPV6: u16 = 0x86dd;
    /// Ethertype of an 802.1Q tag.
    pub const VLAN: u16 = 0x8100;
    /// Ethertype of an 802.1ad service tag.
    pub const QINQ: u16 = 0x88a8;
    /// Protocol ICMP.
    pub const ICMP: u8 = 1;
    /// Protocol TCP.
    pub const TCP: u8 = 6;
    /// Protocol UDP.
    pub const UDP: u8 = 17;
    /// Protocol `ICMPv6`.
    pub const ICMPV6: u8 = 58;
    /// Protocol SCTP.
    pub const SCTP: u8 = 132;
}

/// Offset of the network header: behind the Ethernet header.
pub const NETWORK: usize = 14;

/// An IP header, and where the transport header is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ip<const W: usize> {
    /// Source address.
    pub source: [u32; W],
    /// Destination address.
    pub destination: [u32; W],
    /// IANA protocol number, behind all extension headers.
    pub protocol: u8,
    /// TTL or hop limit.
    pub hops: u8,
    /// Offset of the transport header.
    pub transport: u32,
    /// Offset of the first byte behind the packet; what follows is padding.
    pub end: u32,
    /// Which fragment of which datagram it is.
    pub piece: Piece,
}

/// Which fragment of which datagram a packet is.
///
/// Not an `Option`: what it lacks in a whole packet would be undefined, and verifiers before Linux
/// 6.3 refuse a program that as much as moves it through the stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// It is one of several; otherwise the packet is whole and the other fields are 0.
    pub partial: bool,
    /// Offset within the datagram in units of 8 bytes; 0 is the first fragment.
    pub offset: u16,
    /// The identification field.
    pub identification: u32,
    /// Offset within the packet where the fragment's part of the datagram begins.
    pub start: u32,
}

impl Piece {
    /// A packet that is not fragmented.
    pub const WHOLE: Self = Self {
        partial: false,
        offset: 0,
        identification: 0,
        start: 0,
    };
}
