//! `FLOWS_V4`/`_V6` (LRU hash): [`FlowKey`] → [`Flow`]; `FLOW_CACHE_V4`/`_V6` (per-CPU array,
//! direct-mapped): slot of a [`FlowKey`] → [`CachedFlow`].

use bytemuck::{Pod, Zeroable};

use super::Direction;
use super::limits::FLOW_CACHE;

/// A connection as one endpoint sees it: its own side first, so that the packets of both
/// directions meet the same entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(C)]
pub struct FlowKey<const W: usize> {
    /// Address of the pod's side.
    pub pod: [u32; W],
    /// Address of the other side.
    pub peer: [u32; W],
    /// Port of the pod's side in the high half, of the peer's in the low half; for ICMP echo see
    /// [`crate::parse::Transport::ports`].
    pub ports: u32,
    /// IANA protocol number.
    pub protocol: u32,
}

/// What is remembered of a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Flow {
    /// [`super::Endpoint::id`] of the endpoint that the flow belongs to.
    pub endpoint: u32,
    /// Revision of the endpoint, in the direction of the initiator, under which it was allowed.
    pub revision: u32,
    /// Kernel jiffies (low 32 bits) of the last packet, exact to about a second.
    pub last_seen: u32,
    /// Number of the [`Direction`] of the packet that opened it.
    pub initiator: u8,
    /// [`Flow::CLOSING`], [`Flow::DEFERRED`] and [`Flow::UNTRANSLATED`].
    pub state: u8,
    /// Zero.
    pub reserved: u16,
}

impl Flow {
    /// A FIN, RST, SHUTDOWN or ABORT was seen: the flow expires soon.
    pub const CLOSING: u8 = 1;
    /// Its destination may be translated on the way: every packet of the pod is judged again where
    /// the real destination is known.
    pub const DEFERRED: u8 = 2;
    /// Deferred, and allowed where that was to be decided: nobody had translated the destination,
    /// so that what was deferred and what was decided are the same flow.
    pub const UNTRANSLATED: u8 = 4;

    /// The direction of the packet that opened the flow.
    #[inline(always)]
    pub const fn direction(&self) -> Direction {
        if self.initiator == Direction::Ingress as u8 {
            Direction::Ingress
        } else {
            Direction::Egress
        }
    }
}

impl<const W: usize> FlowKey<W> {
    /// Whether two keys are the same. Word by word: a comparison of arrays becomes a call of
    /// memcmp, which BPF lacks.
    #[inline(always)]
    pub fn is(&self, other: &Self) -> bool {
        let mut difference = self.ports ^ other.ports | self.protocol ^ other.protocol;
        for word in 0..W {
            difference |= self.pod[word] ^ other.pod[word] | self.peer[word] ^ other.peer[word];
        }
        difference == 0
    }

    /// The slot of the flow in the cache.
    #[inline(always)]
    pub fn slot(&self) -> u32 {
        // 2³² divided by the golden ratio: its products differ in the high bits.
        const SPREAD: u32 = 0x9e37_79b1;
        let mut mixed = self.ports ^ self.protocol;
        for word in 0..W {
            mixed = (mixed ^ self.pod[word] ^ self.peer[word].rotate_left(16)).wrapping_mul(SPREAD);
        }
        mixed >> (u32::BITS - FLOW_CACHE.ilog2())
    }
}

/// A flow that one CPU has looked up lately. It spares the look-up in `FLOWS`, not the check of
/// endpoint and revision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct CachedFlow<const W: usize> {
    /// The flow; zeroes in an empty slot, which is no flow of any pod.
    pub key: FlowKey<W>,
    /// What is known of it. Its `last_seen` is the time of the look-up.
    pub flow: Flow,
}
