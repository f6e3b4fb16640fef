//! `ENDPOINTS` (array) and `ENDPOINTS_FAR` (hash): ifindex of the host-side link → [`Endpoint`].

use bytemuck::{Pod, Zeroable};

use super::Direction;

/// The policy set of a direction that no policy isolates.
pub const NOT_ISOLATED: u32 = 0;

/// `CONTINUATIONS` (program array): programs that others end with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Continuation {
    /// `to_pod` meets a deferred packet: its sender's policy first.
    Leaving = 0,
    /// That let it through to the link of a pod.
    ToPod = 1,
}

impl Continuation {
    /// Slots of `CONTINUATIONS`.
    pub const SLOTS: u32 = 2;
}

/// One pod's link: who it is and which policy sets apply to it.
///
/// 64 bytes, so that an array slot is one cache line. A slot of zeroes is no endpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Endpoint {
    /// A number that no other endpoint ever had: a flow with another number belongs to an earlier
    /// pod with the same address. 0 means that the slot is empty.
    pub id: u32,
    /// [`Endpoint::ISOLATED`] and its siblings.
    pub flags: u32,
    /// Revision by [`Direction::index`]; grows when a verdict may have turned from allow to deny.
    pub revisions: [u32; 2],
    /// Policy set by [`Direction::index`], or [`NOT_ISOLATED`].
    pub sets: [u32; 2],
    /// The pod's own node: see [`super::Peer::node`].
    pub node: u32,
    /// The pod's IPv4 address, 0 when it has none.
    pub v4: [u32; 1],
    /// The pod's IPv6 address, 0 when it has none.
    pub v6: [u32; 4],
    /// What `from_pod` leaves on deferred packets, in 16 bits, so that their sender is known where
    /// they are decided: see `SENDERS`. 0 when there was no number left.
    pub tag: u32,
    /// Zero; room to grow within the cache line.
    pub reserved: [u32; 3],
}

impl Endpoint {
    /// A policy isolates the pod in at least one direction: every packet is looked at.
    pub const ISOLATED: u32 = 1;
    /// The source of what the pod sends must be one of its own addresses.
    pub const CHECK_SOURCE: u32 = 1 << 1;
    /// What would be dropped by policy passes and is reported ([`crate::Reason::AuditDenied`]).
    pub const AUDIT: u32 = 1 << 2;
    /// Not known yet which pod this is; passes unless [`Endpoint::DENY_ALL`] is set too.
    pub const PENDING: u32 = 1 << 3;
    /// Nothing passes: pending under `--pending deny`, or its policy does not fit into the maps.
    pub const DENY_ALL: u32 = 1 << 4;

    /// Whether a policy isolates the pod in this direction.
    pub const fn isolated(&self, direction: Direction) -> bool {
        self.sets[direction.index()] != NOT_ISOLATED
    }
}

const _: () = assert!(size_of::<Endpoint>() == 64);
