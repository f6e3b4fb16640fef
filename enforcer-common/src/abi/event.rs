//! `EVENTS` (ring buffer): records of [`Event`].

use bytemuck::{Pod, Zeroable};

/// What an [`Event`] tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum EventKind {
    /// A new flow was allowed.
    Allowed = 0,
    /// A packet was dropped.
    Denied = 1,
    /// A packet would have been dropped, but the endpoint is in audit mode.
    Audit = 2,
}

impl EventKind {
    /// The kind with this number.
    pub const fn from_number(number: u8) -> Option<Self> {
        match number {
            0 => Some(Self::Allowed),
            1 => Some(Self::Denied),
            2 => Some(Self::Audit),
            _ => None,
        }
    }
}

/// One record: a packet that opened a flow, or that was (or would have been) dropped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Event {
    /// Ifindex of the endpoint's host-side link: the sender's, where a deferred packet is decided.
    pub ifindex: u32,
    /// [`super::Endpoint::id`].
    pub endpoint: u32,
    /// Source of the packet; an IPv4 address is in the first word.
    pub source: [u32; 4],
    /// Destination of the packet, like `source`.
    pub destination: [u32; 4],
    /// Source port; ICMP type for ICMP.
    pub source_port: u16,
    /// Destination port; ICMP code for ICMP.
    pub destination_port: u16,
    /// Identity of the peer.
    pub identity: u32,
    /// The policy set that was asked, 0 when none was.
    pub set: u32,
    /// Length of the packet in bytes, link-layer header included.
    pub length: u32,
    /// Ethertype of the packet in host order: tells the family of the addresses.
    pub ethertype: u16,
    /// IANA protocol number.
    pub protocol: u8,
    /// Number of an [`EventKind`].
    pub kind: u8,
    /// Number of a [`crate::Reason`].
    pub reason: u8,
    /// Number of the [`super::Direction`] of the hook that saw the packet.
    pub hook: u8,
    /// Number of the [`super::Direction`] whose policy set was asked.
    pub direction: u8,
    /// Zero.
    pub reserved: u8,
}
