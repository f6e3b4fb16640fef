//! The last records, and who reads them.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use enforcer_flows::{Limits, Page, Query, Record, Ring};
use jiff::Timestamp;
use tokio::sync::watch;

/// Records that are looked at in one go, so that readers delay the daemon's other work only shortly.
const PAGE: usize = 512;

/// Keeps the last records. Copies are of the same store.
#[derive(Clone)]
pub struct FlowStore {
    ring: Arc<Mutex<Ring>>,
    /// The number that the next record will have.
    head: watch::Sender<u64>,
}

/// One reader of a store: see [`FlowStore::read`].
pub struct Reader {
    store: FlowStore,
    query: Query,
    /// The number of the next record that is looked at; found out at the first look.
    at: Option<u64>,
    /// Where reading ends, unless it goes on for ever.
    end: u64,
    news: watch::Receiver<u64>,
}

/// How much there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// How much is kept at most.
    pub limits: Limits,
    /// Records that are kept.
    pub kept: usize,
    /// Records that have come since the daemon is.
    pub seen: u64,
    /// When the oldest kept record was made.
    pub begin: Option<Timestamp>,
}

impl FlowStore {
    /// An empty one.
    ///
    /// Numbers begin with the microseconds since 1970, so that no record of the next daemon has a number
    /// of this one's, unless more than a million come in a second for as long as it is. Programs that
    /// read numbers as floating point keep them exactly until the year 2255.
    pub fn new(limits: Limits) -> Self {
        let now = Timestamp::now().as_microsecond();
        let first = u64::try_from(now).unwrap_or_default();
        Self {
            ring: Arc::new(Mutex::new(Ring::new(limits, first))),
            head: watch::Sender::new(first),
        }
    }

    /// Takes records in.
    pub fn extend(&self, records: impl IntoIterator<Item = Record>) {
        let mut ring = self.ring();
        for record in records {
            ring.push(record);
        }
        let head = ring.head();
        drop(ring);
        self.head.send_replace(head);
    }

    /// Begins to read what a query wants.
    pub fn read(&self, query: Query) -> Reader {
        let news = self.head.subscribe();
        let end = *news.borrow();
        let end = if query.follow { u64::MAX } else { end };
        Reader {
            store: self.clone(),
            at: None,
            query,
            end,
            news,
        }
    }

    /// The number that the next record will have.
    pub fn next(&self) -> u64 {
        *self.head.borrow()
    }

    /// How much there is.
    pub fn extent(&self) -> Extent {
        let ring = self.ring();
        Extent {
            limits: ring.limits(),
            kept: ring.len(),
            seen: ring.seen(),
            begin: ring.begin(),
        }
    }

    fn ring(&self) -> MutexGuard<'_, Ring> {
        // Who panicked while it held the lock left at worst a record without its charge.
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Reader {
    /// What comes next: at least one record or something to say about missed ones. `None` at the end;
    /// there is none when following. May be dropped while it waits without anything being lost.
    pub async fn next(&mut self) -> Option<Page> {
        loop {
            let at = match self.at {
                Some(at) => at,
                None => self.begin().await,
            };
            let page = self.store.ring().read(&self.query, at, self.end, PAGE);
            self.at = Some(page.next);
            if !page.records.is_empty() || page.missed > 0 || page.restarted {
                return Some(page);
            }
            if page.next >= self.end {
                return None;
            }
            if page.next < *self.news.borrow() {
                tokio::task::yield_now().await;
            } else {
                // An error would mean that the store is gone, which this reader itself holds.
                let next = page.next;
                self.news.wait_for(|head| *head > next).await.ok()?;
            }
        }
    }

    /// Where reading begins.
    async fn begin(&mut self) -> u64 {
        let oldest = self.store.ring().oldest();
        let from = self.query.after.map_or(oldest, |after| after + 1);
        let at = match self.query.last {
            Some(wanted) => self.find_last(from.max(oldest), wanted).await,
            None => from,
        };
        self.at = Some(at);
        at
    }

    /// Where the last `wanted` of the kept records begin.
    async fn find_last(&self, from: u64, mut wanted: u64) -> u64 {
        let mut at = *self.news.borrow();
        let mut oldest = from;
        while wanted > 0 && at > from.max(oldest) {
            (at, wanted, oldest) = self.look_back((from, at), wanted);
            tokio::task::yield_now().await;
        }
        at
    }

    /// One step of this: where it stopped, how many are still to be found, and what is the oldest.
    fn look_back(&self, span: (u64, u64), wanted: u64) -> (u64, u64, u64) {
        let ring = self.store.ring();
        let (at, wanted) = ring.search_back(&self.query, span, wanted, PAGE);
        (at, wanted, ring.oldest())
    }
}

#[cfg(test)]
mod tests;
