//! Denials: see [`enforcer_common::denials`].

use core::hint::black_box;

use aya_ebpf::bindings::__sk_buff;
use enforcer_common::abi::{Bucket, Counter};
use enforcer_common::denials::{self, Denial, SLOTS};
use enforcer_common::reason::Reason;
use enforcer_common::tables::Tables as _;

use crate::flows::BucketRef;
use crate::maps;
use crate::packet::{BARE, Skb};
use crate::tables::{Kernel, Told};

/// Counts a denial, or says that it is to be an event: 1. A global function, like
/// [`crate::tables::report_out_of_line`].
#[inline(never)]
#[unsafe(no_mangle)]
pub(crate) extern "C" fn note_denial(
    skb: *mut __sk_buff,
    what: u32,
    whose: u64,
    ifindex: u32,
) -> u32 {
    let told = Told::of(what);
    let Some(report) = told.report(whose, 0, ifindex) else {
        return 0;
    };
    let denial = if told.is_bare() {
        Denial::of(&Skb::<BARE>::of(skb), &report)
    } else {
        Denial::of(&Skb::<0>::of(skb), &report)
    };
    let now = Kernel { skb, bare: false }.now();
    u32::from(note(&denial.at(now), now))
}

/// Whether an event is due and may be sent; whatever is no event is counted.
#[inline(always)]
fn note(denial: &Denial, now: u32) -> bool {
    let tag = denial.tag(&crate::flows::padded(maps::DENIAL_SECRETS.load()));
    // The lowest bit is the same of all.
    let index = (tag >> 1) as u32 & maps::DENIAL_MASK.load();
    let Some(bucket) = maps::DENIALS.get_ptr_mut(index) else {
        return false;
    };
    let bucket = BucketRef(bucket.cast());
    let own = denials::search(&bucket, tag);
    let known = own < SLOTS as u32;
    let slot = if known {
        own
    } else {
        denials::room(&bucket, now, second())
    };
    let place = slot < SLOTS as u32;
    let slot = bounded(slot);
    if place && !known {
        let (former, had) = denials::take(&bucket, slot, denial, tag);
        if had != 0 {
            unrecorded(former.hook(), former.counted_for(), had);
        }
    }
    let due = !known
        || denial.reason() == Reason::Revoked as u8
        || maps::EACH_DENIAL.load() != 0
        || denials::is_quiet(&bucket, slot, now, second());
    if due && has_token(denial.kind(), now) {
        if place {
            denials::date(&bucket, slot, denial);
        }
        return true;
    }
    if place {
        denials::count(&bucket, slot, denial);
    } else {
        unrecorded(denial.hook(), denial.counted_for(), 1);
    }
    false
}

#[inline(always)]
fn has_token(kind: u8, now: u32) -> bool {
    match maps::BUCKETS.get_ptr_mut(u32::from(kind)) {
        // SAFETY: this CPU's value; a program is not interrupted by itself.
        Some(bucket) => unsafe {
            Bucket::take(&mut *bucket, now, second(), maps::EVENTS_PER_SECOND.load())
        },
        None => false,
    }
}

/// Read where it is needed: kept, it would take a word of a stack that is short.
#[inline(always)]
fn second() -> u32 {
    maps::TICKS_PER_SECOND.load()
}

/// Counts denials of which nothing else tells.
#[inline(always)]
pub(crate) fn unrecorded(hook: u8, reason: u8, packets: u64) {
    if let Some(counter) = maps::COUNTERS.get_ptr_mut(Counter::unrecorded(hook, reason)) {
        // SAFETY: as in `has_token`.
        unsafe { (*counter).packets += packets };
    }
}

/// A slot, where the verifier sees that it is one: see [`crate::flows::bounded`].
#[inline(always)]
fn bounded(slot: u32) -> usize {
    slot as usize & black_box(SLOTS - 1)
}
