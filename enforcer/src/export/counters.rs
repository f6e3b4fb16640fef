//! What the export has done, for the metrics.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Counters that the export raises and others read. Clones are the same counters.
#[derive(Clone, Debug, Default)]
pub struct Counters(Arc<[AtomicU64; Count::ALL.len()]>);

/// One of the counters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    /// Records written.
    Records,
    /// Records that were gone before they were looked at.
    Missed,
    /// Bytes written.
    Bytes,
    /// Files begun because the one before was full.
    Rotations,
    /// Attempts to write that failed.
    Failures,
    /// 1 while nothing can be written.
    Failing,
}

impl Count {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Records,
        Self::Missed,
        Self::Bytes,
        Self::Rotations,
        Self::Failures,
        Self::Failing,
    ];
}

impl Counters {
    /// How many.
    pub fn get(&self, count: Count) -> u64 {
        self.counter(count).load(Ordering::Relaxed)
    }

    pub(super) fn raise(&self, count: Count, by: u64) {
        self.counter(count).fetch_add(by, Ordering::Relaxed);
    }

    pub(super) fn set(&self, count: Count, value: u64) {
        self.counter(count).store(value, Ordering::Relaxed);
    }

    fn counter(&self, count: Count) -> &AtomicU64 {
        &self.0[count as usize]
    }
}
