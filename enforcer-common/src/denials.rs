//! `DENIALS` (per-CPU array): bucket number → four slots, in each of which alike denials are counted.
//!
//! Denials are alike that differ in nothing but the port of whoever asks: a storm from one source to one
//! port is one slot on each CPU, whatever it is made of. The first denial of a slot becomes an event, and so
//! does one after a pause ([`is_quiet`]); what comes between is counted, and the daemon collects the counts.
//!
//! Every CPU writes its own slots, and no program is interrupted by another one on its CPU: so counts are
//! exact without atomic instructions. The daemon reads slots while they are written, and writes nothing:
//!
//! | word | holds |
//! |---|---|
//! | tag | hash of the four words of the key; 0 for a slot that was never used |
//! | peer (two) | the address of the other side, where it is known |
//! | who | endpoint, link |
//! | what | port, protocol, reason, kind, directions, type of an ICMP message, ethertype |
//! | count | denials that were counted here, ever |
//! | base | the same when the slot got its present key |
//! | last | of the last denial: jiffies, the port that is not in the key, length |
//! | own (two) | the address of the pod's side, as the first denial had it |
//!
//! A count never goes back, also when the slot gets another key: what the former key had is `base` less what
//! was read of it. Of a slot that was read while it got another key the tag does not fit the key, or the seals
//! of count and base do not fit the tag, and it is read again the next time. Only `last` and `own` may then be
//! another denial's.

use core::hint::black_box;

use crate::abi::{Direction, Event, EventKind};
use crate::decide::Report;
use crate::flow_table::{Bucket, Secrets, hash};
use crate::packet::Packet;
use crate::parse::{NETWORK, number};
use crate::reason::Reason;

/// Slots of a bucket.
pub const SLOTS: usize = 4;

/// Words of 64 bits in a bucket.
pub const BUCKET: usize = SLOTS * WORDS;

/// Words in a slot.
const WORDS: usize = 10;

const TAG: usize = 0;
const PEER: usize = 1;
const WHO: usize = 3;
const WHAT: usize = 4;
const COUNT: usize = 5;
const BASE: usize = 6;
const LAST: usize = 7;
const OWN: usize = 8;

/// In a tag: the slot is in use.
const USED: u64 = 1;

/// The bits of a count; above them is the seal.
const COUNTED: u64 = (1 << 48) - 1;

/// Seconds after which a slot may get another key, because the daemon has read it since.
const KEPT: u32 = 3;

/// The destination port that the programs give to an ICMP echo request.
const ECHO: u16 = 8;

/// A denied packet, in the words of a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Denial {
    peer: [u64; 2],
    own: [u64; 2],
    who: u64,
    what: u64,
    last: u64,
}

/// A slot as it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What the last of its denials was like.
    pub denial: Denial,
    /// What tells its key from others.
    pub tag: u64,
    /// Denials that were counted in the slot, ever.
    pub count: u64,
    /// Of these, those of earlier keys.
    pub base: u64,
}

impl Denial {
    /// Of a packet that is reported; when is said with [`Self::at`].
    #[inline(always)]
    pub fn of(packet: &impl Packet, report: &Report) -> Self {
        let ethertype = packet.head_u16(12).unwrap_or(0);
        let (source, destination) = addresses(packet, ethertype);
        let (peer, own) = match report.hook {
            Direction::Ingress => (source, destination),
            Direction::Egress => (destination, source),
        };
        let (source, destination) = ((report.ports >> 16) as u16, report.ports as u16);
        // Of an answer the port that policy speaks of is the source.
        let answer = report.hook as u8 != report.direction as u8;
        let (port, other) = if answer {
            (source, destination)
        } else {
            (destination, source)
        };
        let icmp = matches!(report.protocol, number::ICMP | number::ICMPV6) && destination != ECHO;
        let kind = if icmp { source as u8 } else { 0 };
        let length = match packet.length() {
            length if length > 0xffff => 0xffff,
            length => length,
        };
        let told = report.kind as u64 | (report.hook as u64) << 2 | (report.direction as u64) << 3;
        let what = u64::from(ethertype) << 48
            | u64::from(kind) << 40
            | told << 32
            | (report.reason as u64) << 24
            | u64::from(report.protocol) << 16
            | u64::from(port);
        Self {
            peer,
            own,
            who: u64::from(report.ifindex) << 32 | u64::from(report.endpoint),
            // Parts of it that are asked for again come from here: BPF programs have no stack to keep them.
            what: black_box(what),
            last: u64::from(length) << 48 | u64::from(other) << 32,
        }
    }

    /// The same at this time: not an argument of [`Self::of`], which leaves no register for it.
    #[inline(always)]
    #[must_use]
    pub fn at(self, now: u32) -> Self {
        let last = self.last >> 32 << 32 | u64::from(now);
        Self { last, ..self }
    }

    /// What tells denials that are alike from others: a hash with secret factors.
    #[inline(always)]
    pub fn tag(&self, secrets: &Secrets) -> u64 {
        let [first, second] = self.peer;
        hash(&[first, second, self.who], self.what, 0, secrets) | USED
    }

    /// An event that says what is known of it.
    pub fn event(&self) -> Event {
        let [port, other] = [self.what as u16, (self.last >> 32) as u16];
        let (hook, direction) = (self.hook(), (self.what >> 35) as u8 & 1);
        let (source_port, destination_port) = if hook == direction {
            (other, port)
        } else {
            (port, other)
        };
        let (source, destination) = if hook == Direction::Ingress as u8 {
            (self.peer, self.own)
        } else {
            (self.own, self.peer)
        };
        Event {
            ifindex: (self.who >> 32) as u32,
            endpoint: self.who as u32,
            source: split(source),
            destination: split(destination),
            source_port,
            destination_port,
            identity: 0,
            set: 0,
            length: (self.last >> 48) as u32,
            ethertype: (self.what >> 48) as u16,
            protocol: (self.what >> 16) as u8,
            kind: self.kind(),
            reason: self.reason(),
            hook,
            direction,
            reserved: 0,
        }
    }

    /// Number of the direction of its hook.
    #[inline(always)]
    pub const fn hook(&self) -> u8 {
        (self.what >> 34) as u8 & 1
    }

    /// Number of its [`EventKind`].
    #[inline(always)]
    pub const fn kind(&self) -> u8 {
        (self.what >> 32) as u8 & 3
    }

    /// Number of the [`Reason`] that a policy in force has.
    #[inline(always)]
    pub const fn reason(&self) -> u8 {
        (self.what >> 24) as u8
    }

    /// Number of the reason that it is counted for.
    #[inline(always)]
    pub const fn counted_for(&self) -> u8 {
        if self.kind() == EventKind::Audit as u8 {
            Reason::AuditDenied as u8
        } else {
            self.reason()
        }
    }
}

/// Source and destination of a packet, as an event has them.
#[inline(always)]
fn addresses(packet: &impl Packet, ethertype: u16) -> ([u64; 2], [u64; 2]) {
    if ethertype == number::IPV4 {
        let [source, destination] = packet.head_words(NETWORK + 12).unwrap_or([0; 2]);
        ([u64::from(source), 0], [u64::from(destination), 0])
    } else if ethertype == number::IPV6 {
        let [s0, s1, s2, s3] = packet.head_words(NETWORK + 8).unwrap_or([0; 4]);
        let [d0, d1, d2, d3] = packet.head_words(NETWORK + 24).unwrap_or([0; 4]);
        ([join(s0, s1), join(s2, s3)], [join(d0, d1), join(d2, d3)])
    } else {
        ([0; 2], [0; 2])
    }
}

/// The slot of a bucket that has a tag, or [`SLOTS`] when none has.
#[inline(always)]
pub fn search(bucket: &impl Bucket, tag: u64) -> u32 {
    for slot in 0..SLOTS {
        if bucket.load(slot * WORDS + TAG) == tag {
            return slot as u32;
        }
    }
    SLOTS as u32
}

/// The slot of a bucket that may get another key, or [`SLOTS`] when all of them are needed: one that is free,
/// else one that nobody has asked for lately, else one that has counted nothing that was not an event.
#[inline(always)]
pub fn room(bucket: &impl Bucket, now: u32, second: u32) -> u32 {
    let (mut chosen, mut worth) = (SLOTS as u32, 0);
    for slot in 0..SLOTS {
        let at = slot * WORDS;
        let here = if bucket.load(at + TAG) == 0 {
            3
        } else if age(bucket, slot, now) >= second * KEPT {
            2
        } else {
            u32::from(bucket.load(at + COUNT) == bucket.load(at + BASE))
        };
        if here > worth {
            (chosen, worth) = (slot as u32, here);
        }
    }
    chosen
}

/// Whether the denials of a slot have paused for longer than a second: the next one is news.
#[inline(always)]
pub fn is_quiet(bucket: &impl Bucket, slot: usize, now: u32, second: u32) -> bool {
    age(bucket, slot, now) > second
}

#[inline(always)]
fn age(bucket: &impl Bucket, slot: usize, now: u32) -> u32 {
    now.wrapping_sub(bucket.load(slot * WORDS + LAST) as u32)
}

/// Gives a slot to a denial, which is not counted yet. Returns what its former key was counted for and how
/// often: nobody may have read that yet.
#[inline(always)]
pub fn take(bucket: &impl Bucket, slot: usize, denial: &Denial, tag: u64) -> (Denial, u64) {
    let at = slot * WORDS;
    let count = bucket.load(at + COUNT) & COUNTED;
    let former = read(bucket, at);
    let had = count.wrapping_sub(bucket.load(at + BASE)) & COUNTED;
    bucket.store(at + TAG, 0);
    bucket.store(at + PEER, denial.peer[0]);
    bucket.store(at + PEER + 1, denial.peer[1]);
    bucket.store(at + WHO, denial.who);
    bucket.store(at + WHAT, denial.what);
    bucket.store(at + COUNT, count | seal(tag));
    bucket.store(at + BASE, count | seal(tag));
    bucket.store(at + LAST, denial.last);
    bucket.store(at + OWN, denial.own[0]);
    bucket.store(at + OWN + 1, denial.own[1]);
    bucket.store(at + TAG, tag);
    (former, had)
}

/// Counts a denial in its slot.
#[inline(always)]
pub fn count(bucket: &impl Bucket, slot: usize, denial: &Denial) {
    let at = slot * WORDS;
    bucket.store(at + COUNT, bucket.load(at + COUNT).wrapping_add(1));
    bucket.store(at + LAST, denial.last);
}

/// Notes in its slot when a denial came that is an event.
#[inline(always)]
pub fn date(bucket: &impl Bucket, slot: usize, denial: &Denial) {
    bucket.store(slot * WORDS + LAST, denial.last);
}

/// What a slot holds. `None` where nothing is or where it was read while it got another key.
pub fn entry(bucket: &impl Bucket, slot: usize, secrets: &Secrets) -> Option<Entry> {
    let at = slot * WORDS;
    let tag = bucket.load(at + TAG);
    let denial = read(bucket, at);
    let [count, base] = [bucket.load(at + COUNT), bucket.load(at + BASE)];
    let whole = tag == denial.tag(secrets)
        && [count, base].map(|word| word & !COUNTED) == [seal(tag); 2]
        && count >= base;
    whole.then_some(Entry {
        denial,
        tag,
        count: count & COUNTED,
        base: base & COUNTED,
    })
}

#[inline(always)]
fn read(bucket: &impl Bucket, at: usize) -> Denial {
    Denial {
        peer: [bucket.load(at + PEER), bucket.load(at + PEER + 1)],
        own: [bucket.load(at + OWN), bucket.load(at + OWN + 1)],
        who: bucket.load(at + WHO),
        what: bucket.load(at + WHAT),
        last: bucket.load(at + LAST),
    }
}

/// What the upper bits of a count are.
#[inline(always)]
const fn seal(tag: u64) -> u64 {
    tag & !COUNTED
}

#[inline(always)]
const fn join(low: u32, high: u32) -> u64 {
    (high as u64) << 32 | low as u64
}

const fn split([first, second]: [u64; 2]) -> [u32; 4] {
    [
        first as u32,
        (first >> 32) as u32,
        second as u32,
        (second >> 32) as u32,
    ]
}
