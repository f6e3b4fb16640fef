//! The layout of every BPF map: what the daemon writes and the programs read.
//!
//! All structures are `repr(C)` without padding. Addresses are `[u32; W]` (`W` = 1 for IPv4, 4 for
//! IPv6) that hold the bytes of the wire in order, so that they can be compared with a packet
//! without conversion. Ports and all other numbers are in host order.

pub mod address;
pub mod counter;
pub mod endpoint;
pub mod event;
pub mod flow;
pub mod fragment;
pub mod limits;
pub mod seed;
pub mod verdict;
pub mod write;

pub use address::Peer;
pub use counter::{Bucket, Counter};
pub use endpoint::{Continuation, Endpoint};
pub use event::{Event, EventKind};
pub use flow::{Flow, FlowKey};
pub use fragment::{Fragment, FragmentKey};
pub use seed::Seed;
pub use verdict::{PortRange, Verdict, VerdictKey};
pub use write::Write;

/// Version of every layout in this module. A daemon never reads pinned maps of another version.
pub const ABI_VERSION: u32 = 3;

/// Which way a packet or a connection goes, seen from the pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Direction {
    /// Towards the pod (`to_pod`, tc egress of the host-side link).
    Ingress = 0,
    /// From the pod (`from_pod`, tc ingress of the host-side link).
    Egress = 1,
}

impl Direction {
    /// Both directions, in the order of their numbers.
    pub const ALL: [Self; 2] = [Self::Ingress, Self::Egress];

    /// The index into the per-direction arrays of [`Endpoint`].
    #[inline(always)]
    pub const fn index(self) -> usize {
        self as usize
    }

    /// The direction with this number.
    pub const fn from_number(number: u8) -> Option<Self> {
        match number {
            0 => Some(Self::Ingress),
            1 => Some(Self::Egress),
            _ => None,
        }
    }
}
