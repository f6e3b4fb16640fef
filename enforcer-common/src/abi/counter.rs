//! `COUNTERS` and `BUCKETS` (per-CPU arrays).

use bytemuck::{Pod, Zeroable};

use super::Direction;
use crate::reason::Reason;

/// What passed or was dropped for one reason at one hook on one CPU; one more slot counts flows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Counter {
    /// Packets; a GSO packet is one.
    pub packets: u64,
    /// Bytes, link-layer headers included.
    pub bytes: u64,
}

impl Counter {
    /// The slot of the flows that gave way to others in a full bucket of their table; they have no bytes.
    pub const DISPLACED_FLOWS: u32 = 2 * Reason::COUNT as u32;

    /// Slots of `COUNTERS`.
    pub const SLOTS: u32 = Self::UNRECORDED + 2 * Reason::COUNT as u32;

    /// What is counted and never reported: nobody could say of whom.
    pub const NEVER_REPORTED: [(Direction, Reason); 3] = [
        (Direction::Ingress, Reason::NoEndpoint),
        (Direction::Egress, Reason::NoEndpoint),
        (Direction::Ingress, Reason::Undecided),
    ];

    const UNRECORDED: u32 = Self::DISPLACED_FLOWS + 1;

    /// The slot of a reason at a hook.
    #[inline(always)]
    pub const fn slot(hook: Direction, reason: Reason) -> u32 {
        hook as u32 * Reason::COUNT as u32 + reason as u32
    }

    /// The slot of the denials, by the numbers of hook and reason, of which neither an event was sent nor a slot
    /// of `DENIALS` tells; they have no bytes. What was counted in a slot that got another key counts here
    /// too, whether it has been read or not.
    #[inline(always)]
    pub const fn unrecorded(hook: u8, reason: u8) -> u32 {
        Self::UNRECORDED + hook as u32 * Reason::COUNT as u32 + reason as u32
    }
}

/// The token bucket of one [`super::EventKind`] on one CPU.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Bucket {
    /// Events of allowed flows that were not sent, because of the rate or because the ring buffer was full.
    pub suppressed: u64,
    /// Jiffies (low 32 bits) of the last refill.
    pub refilled: u32,
    /// Events that may be sent before the next refill.
    pub tokens: u32,
}

impl Bucket {
    /// Slots of `BUCKETS`: one for each kind of event.
    pub const SLOTS: u32 = 3;

    /// Takes a token. `rate` is in events per second, `second` in jiffies; a second's worth of
    /// tokens comes at once.
    #[inline(always)]
    pub fn take(&mut self, now: u32, second: u32, rate: u32) -> bool {
        if now.wrapping_sub(self.refilled) >= second {
            self.refilled = now;
            self.tokens = rate;
        }
        if self.tokens == 0 {
            return false;
        }
        self.tokens -= 1;
        true
    }
}
