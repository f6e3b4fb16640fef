//! `FLOWS_V4`/`_V6` (array): bucket number → eight slots, each a [`FlowKey`] with its [`Flow`].
//!
//! A hash table without locks and without helpers: a look-up is one array element, which the kernel
//! compiles to a few instructions, and so is an insert. Any CPU may read and write any slot at any
//! time, in any order that its memory model likes. What makes that safe is that every word of a slot is
//! tied to the key it belongs to, so that a mixture of two flows is never taken for either:
//!
//! | word | holds | tied to the key by |
//! |---|---|---|
//! | addresses (one for IPv4, four for IPv6) | pod, peer | being the key |
//! | ports | ports, endpoint | being the key |
//! | revision | revision, last seen | the revision is sealed: exclusive-or'ed with bits of hash and state |
//! | tag | 48 bits of the hash, protocol, state | the hash |
//!
//! Each word is read and written whole. Of another flow's word the key differs, or what should be a
//! revision is a random number, or the tag (chess programs share their tables between threads by
//! the same idea: Hyatt and Mann, "A lock-less transposition table implementation", 2002). `last seen` alone
//! can be another flow's, for which a packet of that flow must have come: the age of both is then right
//! to a second.
//!
//! Two CPUs that fill one slot at one time may leave neither flow there. That is allowed at any
//! time, as is being overwritten when a bucket is full: such a flow is judged again.
//!
//! The hash takes secret multipliers, so that nobody can aim at a bucket.

use crate::abi::{Direction, Flow, FlowKey};
use crate::decide::{age, has_expired, lifetime};

/// Slots of a bucket.
pub const SLOTS: usize = 8;

/// Words of 64 bits in a slot: 32 bytes for IPv4, a cache line for IPv6.
#[must_use]
pub const fn slot_words<const W: usize>() -> usize {
    if W == 1 { 4 } else { 8 }
}

/// Words of a bucket of `FLOWS_V4`.
pub const BUCKET_V4: usize = SLOTS * slot_words::<1>();

/// Words of a bucket of `FLOWS_V6`.
pub const BUCKET_V6: usize = SLOTS * slot_words::<4>();

/// Buckets of a table with room for so many connections; a power of two.
///
/// Four slots are there for each connection, so that hardly ever more than eight meet in one bucket:
/// at the full number one in 7,000 finds no place beside the others (Poisson distribution, mean 2).
#[must_use]
pub const fn buckets(connections: u32) -> u32 {
    const SLOTS_EACH: u32 = 4;
    const MOST: u32 = 1 << 26;
    let wanted = connections.div_ceil(SLOTS as u32 / SLOTS_EACH);
    if wanted >= MOST {
        MOST
    } else {
        wanted.next_power_of_two()
    }
}

/// A bucket in memory that others may be reading and writing.
pub trait Bucket {
    /// The word at an index, read at once.
    fn load(&self, index: usize) -> u64;
    /// Writes the word at an index at once.
    fn store(&self, index: usize, value: u64);
}

/// What a table is hashed with: odd numbers that nobody outside knows. IPv4 needs the first two.
pub type Secrets = [u64; 5];

/// The state of every slot that is in use, so that no tag is 0.
const USED: u64 = 0x40;

/// In the state: the pod opened the flow.
const OPENED_BY_POD: u64 = 0x80;

/// The bits of [`Flow::state`].
const STATE: u64 = 0x3f;

/// A flow's place in the table.
#[derive(Clone, Copy, Debug)]
pub struct Place<const W: usize> {
    /// Hash; its low bits are the bucket.
    hash: u64,
    /// What the tag of its slot is, but for the state.
    tag: u64,
    addresses: [u64; W],
    ports: u64,
}

impl<const W: usize> Place<W> {
    /// Where a flow of an endpoint is.
    #[inline(always)]
    pub fn of(key: &FlowKey<W>, endpoint: u32, secrets: &Secrets) -> Self {
        let mut addresses = [0; W];
        if W == 1 {
            addresses[0] = join(key.pod[0], key.peer[0]);
        } else {
            addresses[0] = join(key.pod[0], key.pod[1]);
            addresses[1] = join(key.pod[2], key.pod[3]);
            addresses[2] = join(key.peer[0], key.peer[1]);
            addresses[3] = join(key.peer[2], key.peer[3]);
        }
        let ports = u64::from(key.ports.to_be());
        Self::between(addresses, ports, key.protocol as u8, endpoint, secrets)
    }

    /// The same for the pod's address and the peer's as they are on the wire, one after the other, and
    /// likewise their ports.
    #[inline(always)]
    pub fn between(
        addresses: [u64; W],
        ports: u64,
        protocol: u8,
        endpoint: u32,
        secrets: &Secrets,
    ) -> Self {
        let ports = u64::from(endpoint) << 32 | ports;
        let protocol = u64::from(protocol) << 8;
        let hash = hash(&addresses, ports, protocol, secrets);
        Self {
            hash,
            tag: hash & !0xffff | protocol,
            addresses,
            ports,
        }
    }

    /// The number of the bucket, in a table with `mask` + 1 of them.
    #[inline(always)]
    pub const fn bucket(&self, mask: u32) -> u32 {
        self.hash as u32 & mask
    }

    /// What [`search`] and [`room`] ask for.
    #[inline(always)]
    pub const fn tag(&self) -> u64 {
        self.tag
    }

    /// The flow in the first slots of a bucket that has its tag. Every access is at a constant offset.
    #[inline(always)]
    pub fn find(&self, bucket: &impl Bucket) -> Option<Flow> {
        for slot in 0..SLOTS {
            let tag = bucket.load(slot * slot_words::<W>() + W + 2);
            if tag & !0xff == self.tag {
                return self.read(bucket, slot, tag);
            }
            if tag == 0 {
                return None;
            }
        }
        None
    }

    /// The flow in a slot, if it is there.
    #[inline(always)]
    pub fn get(&self, bucket: &impl Bucket, slot: usize) -> Option<Flow> {
        let tag = bucket.load(slot * slot_words::<W>() + W + 2);
        if tag & !0xff == self.tag {
            self.read(bucket, slot, tag)
        } else {
            None
        }
    }

    #[inline(always)]
    fn read(&self, bucket: &impl Bucket, slot: usize, tag: u64) -> Option<Flow> {
        let at = slot * slot_words::<W>();
        let mut difference = bucket.load(at + W) ^ self.ports;
        for word in 0..W {
            difference |= bucket.load(at + word) ^ self.addresses[word];
        }
        if difference != 0 {
            return None;
        }
        Some(open(
            self.ports,
            bucket.load(at + W + 1),
            tag,
            seal(self.hash, tag),
        ))
    }

    /// Writes a flow into a slot.
    #[inline(always)]
    pub fn put(&self, bucket: &impl Bucket, slot: usize, flow: &Flow) {
        let at = slot * slot_words::<W>();
        for word in 0..W {
            bucket.store(at + word, self.addresses[word]);
        }
        bucket.store(at + W, self.ports);
        let opened = if flow.initiator == Direction::Egress as u8 {
            OPENED_BY_POD
        } else {
            0
        };
        let tag = self.tag | u64::from(flow.state) & STATE | USED | opened;
        let sealed = join(flow.last_seen, flow.revision) ^ seal(self.hash, tag);
        bucket.store(at + W + 1, sealed);
        bucket.store(at + W + 2, tag);
    }
}

/// The slot of a bucket that has a tag, or [`SLOTS`] when none has.
#[inline(always)]
pub fn search<const W: usize>(bucket: &impl Bucket, tag: u64) -> u32 {
    for slot in 0..SLOTS {
        let held = bucket.load(slot * slot_words::<W>() + W + 2);
        if held & !0xff == tag {
            return slot as u32;
        }
        if held == 0 {
            break;
        }
    }
    SLOTS as u32
}

/// The slot for a flow with this tag: its own, else an empty one, else the one that has the least of its
/// life before it, or has outlived it the longest.
#[inline(always)]
pub fn room<const W: usize>(bucket: &impl Bucket, tag: u64, now: u32) -> u32 {
    const LONGEST: u64 = lifetime(crate::parse::number::TCP, 0) as u64;
    let mut stalest = 0;
    let mut chosen = 0;
    for slot in 0..SLOTS {
        let at = slot * slot_words::<W>();
        let held = bucket.load(at + W + 2);
        if held & !0xff == tag || held == 0 {
            return slot as u32;
        }
        let age = u64::from(age(bucket.load(at + W + 1) as u32, now));
        let life = u64::from(lifetime((held >> 8) as u8, held as u8));
        // Never 0, and nothing that a division of 64 bits would cost the old verifiers.
        let staleness = age * (LONGEST / life);
        if staleness >= stalest {
            stalest = staleness;
            chosen = slot as u32;
        }
    }
    chosen
}

/// Whether another flow than the one with this tag is in a slot and has not expired: it would be judged
/// again.
#[inline(always)]
pub fn displaces<const W: usize>(
    bucket: &impl Bucket,
    slot: usize,
    tag: u64,
    now: u32,
    ticks_per_second: u32,
) -> bool {
    let at = slot * slot_words::<W>();
    let held = bucket.load(at + W + 2);
    if held == 0 || held & !0xff == tag {
        return false;
    }
    let flow = open(0, bucket.load(at + W + 1), held, 0);
    !has_expired(&flow, (held >> 8) as u8, now, ticks_per_second)
}

/// Everything that a slot holds, for those who read whole tables. `None` for an empty slot, and for one
/// that was read while it was written.
pub fn entry<const W: usize>(
    bucket: &impl Bucket,
    slot: usize,
    secrets: &Secrets,
) -> Option<(FlowKey<W>, Flow)> {
    let at = slot * slot_words::<W>();
    let tag = bucket.load(at + W + 2);
    if tag == 0 {
        return None;
    }
    let ports = bucket.load(at + W);
    let (pod, peer) = addresses(bucket, at);
    let key = FlowKey {
        pod,
        peer,
        ports: u32::from_be(ports as u32),
        protocol: u32::from((tag >> 8) as u8),
    };
    let place = Place::of(&key, (ports >> 32) as u32, secrets);
    place.get(bucket, slot).map(|flow| (key, flow))
}

fn addresses<const W: usize>(bucket: &impl Bucket, at: usize) -> ([u32; W], [u32; W]) {
    let (mut pod, mut peer) = ([0; W], [0; W]);
    // Pod and peer are one after the other, two words of an address in one of the table.
    for word in 0..W {
        let both = bucket.load(at + word);
        for (index, half) in [(2 * word, both as u32), (2 * word + 1, (both >> 32) as u32)] {
            if index < W {
                pod[index] = half;
            } else {
                peer[index - W] = half;
            }
        }
    }
    (pod, peer)
}

#[inline(always)]
const fn join(low: u32, high: u32) -> u64 {
    (high as u64) << 32 | low as u64
}

/// A sum of products with secret factors, which costs the time of one product, and then every bit of
/// it into every bit.
#[inline(always)]
pub(crate) fn hash<const W: usize>(
    addresses: &[u64; W],
    ports: u64,
    protocol: u64,
    secrets: &Secrets,
) -> u64 {
    // 2⁶⁴ divided by the golden ratio.
    const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut sum = ports.wrapping_mul(secrets[W]) ^ protocol;
    for word in 0..W {
        sum = sum.wrapping_add(addresses[word].wrapping_mul(secrets[word]));
    }
    sum = (sum ^ sum >> 32).wrapping_mul(SPREAD);
    sum ^ sum >> 29
}

/// What the upper half of the revision's word is exclusive-or'ed with: another number for every flow, and
/// far away from this one for every other state of it.
#[inline(always)]
const fn seal(hash: u64, tag: u64) -> u64 {
    (hash ^ tag << 56) & 0xffff_ffff_0000_0000
}

#[inline(always)]
const fn open(ports: u64, revision: u64, tag: u64, seal: u64) -> Flow {
    Flow {
        endpoint: (ports >> 32) as u32,
        revision: ((revision ^ seal) >> 32) as u32,
        last_seen: revision as u32,
        initiator: (tag & OPENED_BY_POD != 0) as u8,
        state: (tag & STATE) as u8,
    }
}
