//! Denials: see [`enforcer_common::denials`].

use core::hint::black_box;

use aya_ebpf::bindings::__sk_buff;
use enforcer_common::abi::{Bucket, Counter, EventKind};
use enforcer_common::decide::Report;
use enforcer_common::denials::{self, Denial, SLOTS};
use enforcer_common::reason::Reason;
use enforcer_common::tables::Tables as _;

use crate::flows::BucketRef;
use crate::maps;
use crate::packet::{BARE, Skb};
use crate::tables::{Kernel, Told};

/// In the directions of [`Told`]: the event that was due could not be sent.
pub(crate) const UNSENT: u8 = 1 << 3;

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
    let kernel = Kernel { skb, bare: false };
    let now = kernel.now();
    let denial = if told.is_bare() {
        Denial::of(&Skb::<BARE>::of(skb), &report, now)
    } else {
        Denial::of(&Skb::<0>::of(skb), &report, now)
    };
    u32::from(note(&report, &denial, now, told.directions & UNSENT != 0))
}

/// Whether an event is due and may be sent; whatever is no event is counted.
#[inline(always)]
fn note(report: &Report, denial: &Denial, now: u32, unsent: bool) -> bool {
    let second = maps::TICKS_PER_SECOND.load();
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
        denials::room(&bucket, now, second)
    };
    let place = slot < SLOTS as u32;
    let slot = bounded(slot);
    if place && !known {
        let (former, had) = denials::take(&bucket, slot, denial, tag);
        if had != 0 {
            unrecorded(former.hook(), former.counted_for(), had);
        }
    }
    let due = !unsent
        && (!known
            || report.reason as u8 == Reason::Revoked as u8
            || maps::EACH_DENIAL.load() != 0
            || denials::is_quiet(&bucket, slot, now, second));
    if due && has_token(report.kind, now, second) {
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
fn has_token(kind: EventKind, now: u32, second: u32) -> bool {
    match maps::BUCKETS.get_ptr_mut(kind as u32) {
        // SAFETY: this CPU's value; a program is not interrupted by itself.
        Some(bucket) => unsafe {
            Bucket::take(&mut *bucket, now, second, maps::EVENTS_PER_SECOND.load())
        },
        None => false,
    }
}

/// Counts denials of which nothing else tells.
#[inline(always)]
fn unrecorded(hook: u8, reason: u8, packets: u64) {
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
