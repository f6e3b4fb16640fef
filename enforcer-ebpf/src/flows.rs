//! The tables of flows: see [`enforcer_common::flow_table`].

use core::hint::black_box;
use core::ptr::{read_volatile, write_volatile};

use enforcer_common::abi::Counter;
use enforcer_common::flow_table::{Bucket, SLOTS, Secrets};

use crate::maps;

/// A bucket in map memory.
pub(crate) struct BucketRef(pub(crate) *mut u64);

impl Bucket for BucketRef {
    #[inline(always)]
    fn load(&self, index: usize) -> u64 {
        // SAFETY: within the bucket, as the verifier checks once more; it lives as long as the program
        // runs. Volatile, because others write it.
        unsafe { read_volatile(self.0.add(index)) }
    }
    #[inline(always)]
    fn store(&self, index: usize, value: u64) {
        // SAFETY: as in `load`.
        unsafe { write_volatile(self.0.add(index), value) }
    }
}

macro_rules! table {
    ($name:ident, $words:literal, $map:ident, $mask:ident, $secrets:ident, $search:ident, $room:ident) => {
        /// One family's table.
        pub(crate) mod $name {
            use enforcer_common::flow_table::{self, SLOTS, Secrets};

            use super::{BucketRef, bounded};
            use crate::maps;

            #[inline(always)]
            pub(crate) fn mask() -> u32 {
                maps::$mask.load()
            }

            #[inline(always)]
            pub(crate) fn secrets() -> Secrets {
                super::padded(maps::$secrets.load())
            }

            #[inline(always)]
            pub(crate) fn bucket(index: u32) -> Option<BucketRef> {
                maps::$map
                    .get_ptr_mut(index)
                    .map(|bucket| BucketRef(bucket.cast()))
            }

            #[inline(always)]
            pub(crate) fn search(bucket: u32, tag: u64) -> u32 {
                $search(bucket, tag)
            }

            #[inline(always)]
            pub(crate) fn room(bucket: u32, tag: u64, now: u32) -> u32 {
                $room(bucket, tag, now)
            }

            /// A global function, which the verifier checks once. A call costs 8 ns.
            #[inline(never)]
            #[unsafe(no_mangle)]
            extern "C" fn $search(index: u32, tag: u64) -> u32 {
                match bucket(index) {
                    Some(bucket) => flow_table::search::<$words>(&bucket, tag),
                    None => SLOTS as u32,
                }
            }

            /// The same.
            #[inline(never)]
            #[unsafe(no_mangle)]
            extern "C" fn $room(index: u32, tag: u64, now: u32) -> u32 {
                let Some(bucket) = bucket(index) else {
                    return 0;
                };
                let slot = flow_table::room::<$words>(&bucket, tag, now);
                let second = maps::TICKS_PER_SECOND.load();
                if flow_table::displaces::<$words>(&bucket, bounded(slot), tag, now, second) {
                    super::count_displaced();
                }
                slot
            }
        }
    };
}

table!(
    flows_v4,
    1,
    FLOWS_V4,
    FLOW_MASK_V4,
    FLOW_SECRETS_V4,
    flow_slot_v4,
    flow_room_v4
);
table!(
    flows_v6,
    4,
    FLOWS_V6,
    FLOW_MASK_V6,
    FLOW_SECRETS_V6,
    flow_slot_v6,
    flow_room_v6
);

#[inline(always)]
pub(crate) fn padded<const N: usize>(held: [u64; N]) -> Secrets {
    let mut all = [0; 5];
    all[..N].copy_from_slice(&held);
    all
}

/// A slot, where the verifier sees that it is one. The compiler, which knows what the functions return,
/// must not take that away.
#[inline(always)]
pub(crate) fn bounded(slot: u32) -> usize {
    slot as usize & black_box(SLOTS - 1)
}

#[inline(always)]
fn count_displaced() {
    if let Some(counter) = maps::COUNTERS.get_ptr_mut(Counter::DISPLACED_FLOWS) {
        // SAFETY: this CPU's value; a program is not interrupted by itself.
        unsafe { (*counter).packets += 1 };
    }
}
