//! What the report task has done, for the metrics and for `status`.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Counters that the report task raises and others read. Clones are the same counters.
#[derive(Clone, Debug, Default)]
pub struct Counters(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    written: AtomicU64,
    deleted: AtomicU64,
    swept: AtomicU64,
    events: AtomicU64,
    failures: AtomicU64,
    trouble: Mutex<Option<String>>,
}

/// One of the counters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    /// Objects written.
    Written,
    /// Objects of this node deleted.
    Deleted,
    /// Objects of nodes that are gone, deleted.
    Swept,
    /// Events made.
    Events,
    /// Requests that failed.
    Failures,
}

impl Counters {
    /// How many.
    pub fn get(&self, count: Count) -> u64 {
        self.counter(count).load(Ordering::Relaxed)
    }

    /// Why there are no reports now, if there are none.
    pub fn trouble(&self) -> Option<String> {
        let trouble = self.0.trouble.lock();
        trouble.unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn raise(&self, count: Count) {
        self.counter(count).fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn set_trouble(&self, why: Option<String>) {
        let trouble = self.0.trouble.lock();
        *trouble.unwrap_or_else(PoisonError::into_inner) = why;
    }

    fn counter(&self, count: Count) -> &AtomicU64 {
        match count {
            Count::Written => &self.0.written,
            Count::Deleted => &self.0.deleted,
            Count::Swept => &self.0.swept,
            Count::Events => &self.0.events,
            Count::Failures => &self.0.failures,
        }
    }
}
