//! `FRAGMENTS` (LRU hash): [`FragmentKey`] → [`Fragment`].

use bytemuck::{Pod, Zeroable};

/// What all fragments of a datagram share (RFC 791 §3.2, RFC 8200 §4.5), and where they were seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Pod, Zeroable)]
#[repr(C)]
pub struct FragmentKey {
    /// Source; an IPv4 address is in the first word.
    pub source: [u32; 4],
    /// Destination; an IPv4 address is in the first word.
    pub destination: [u32; 4],
    /// The identification field.
    pub identification: u32,
    /// For IPv4 256 plus the protocol number, which is a part of the datagram's name; 0 for IPv6,
    /// where it is not.
    pub protocol: u32,
    /// [`super::Endpoint::id`] of the endpoint that saw it, so that no pod speaks for another.
    pub endpoint: u32,
}

/// What only the first fragment tells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Fragment {
    /// Source port in the high half, destination port in the low half.
    pub ports: u32,
    /// IANA protocol number, behind all extension headers.
    pub protocol: u16,
    /// How many bytes of the datagram are headers that the verdict rests on: no later fragment may
    /// begin before.
    pub headers: u16,
}
