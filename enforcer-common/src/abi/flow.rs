//! What is tracked of a connection: [`FlowKey`] → [`Flow`]. How both lie in `FLOWS_V4` and `FLOWS_V6` is
//! the matter of [`crate::flow_table`].

use super::Direction;

/// A connection as one endpoint sees it: its own side first, so that the packets of both
/// directions meet the same entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
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
