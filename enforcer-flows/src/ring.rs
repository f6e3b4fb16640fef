//! The last records, and reading on from a number.

use std::collections::VecDeque;

use jiff::Timestamp;

use crate::query::Query;
use crate::record::Record;

/// How much is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Records.
    pub records: usize,
    /// Bytes, by [`Record::charge`].
    pub bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            records: 8192,
            bytes: 4 << 20,
        }
    }
}

/// The last records, oldest first. Their numbers have no gaps.
#[derive(Debug)]
pub struct Ring {
    limits: Limits,
    entries: VecDeque<(usize, Record)>,
    /// The first number that was ever given out.
    first: u64,
    /// The next number.
    next: u64,
    /// Together charged to `entries`.
    bytes: usize,
}

/// Some records from a number on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// Those that are wanted.
    pub records: Vec<Record>,
    /// From where to read on.
    pub next: u64,
    /// How many records before these went before they were looked at; which of them the filter means,
    /// nobody knows any more.
    pub missed: u64,
    /// The reader's number is of an earlier daemon, of whose last records nothing is known.
    pub restarted: bool,
}

impl Ring {
    /// An empty one whose first record gets this number.
    pub fn new(limits: Limits, first: u64) -> Self {
        Self {
            limits,
            entries: VecDeque::new(),
            first,
            next: first,
            bytes: 0,
        }
    }

    /// Takes a record in and gives it its number.
    pub fn push(&mut self, mut record: Record) {
        record.sequence = self.next;
        self.next += 1;
        let charge = record.charge();
        self.bytes += charge;
        self.entries.push_back((charge, record));
        while self.is_too_full()
            && let Some((charge, _)) = self.entries.pop_front()
        {
            self.bytes -= charge;
        }
    }

    fn is_too_full(&self) -> bool {
        self.entries.len() > self.limits.records || self.bytes > self.limits.bytes
    }

    /// The number that the next record will have.
    pub const fn head(&self) -> u64 {
        self.next
    }

    /// The number of the oldest record, or [`Self::head`] without any.
    pub fn oldest(&self) -> u64 {
        self.next - self.entries.len() as u64
    }

    /// When the oldest kept record was made.
    pub fn begin(&self) -> Option<Timestamp> {
        self.entries.front().map(|(_, record)| record.time)
    }

    /// How many records have come, since the daemon is.
    pub const fn seen(&self) -> u64 {
        self.next - self.first
    }

    /// How many are kept.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether none is kept.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// How much is kept at most.
    pub const fn limits(&self) -> Limits {
        self.limits
    }

    /// What a query wants, looking at no more than `most` records from `from` on and at none from `end`
    /// on.
    pub fn read(&self, query: &Query, from: u64, end: u64, most: usize) -> Page {
        let restarted = from < self.first || from > self.next;
        let from = if restarted { self.first } else { from };
        let begin = from.max(self.oldest());
        let missed = begin.min(end).saturating_sub(from);
        let skip = self.index(begin);
        let end = self.index(end);
        let looked = end.saturating_sub(skip).min(most);
        let entries = self.entries.iter().skip(skip).take(looked);
        let wanted = entries.filter(|(_, record)| query.wants(record));
        Page {
            records: wanted.map(|(_, record)| record.clone()).collect(),
            next: begin + looked as u64,
            missed,
            restarted,
        }
    }

    /// Looks backwards, from `end` to `from` and at no more than `most` records, for the `wanted`th
    /// record that a query means. Gives where it stopped and how many are still to be found: none, or
    /// the search goes on from there.
    pub fn search_back(
        &self,
        query: &Query,
        (from, end): (u64, u64),
        mut wanted: u64,
        most: usize,
    ) -> (u64, u64) {
        let (first, mut at) = (self.index(from), self.index(end));
        let stop = at.saturating_sub(most).max(first);
        while wanted > 0 && at > stop {
            at -= 1;
            let found = self.entries.get(at);
            wanted -= u64::from(found.is_some_and(|(_, record)| query.wants(record)));
        }
        (self.oldest() + at as u64, wanted)
    }

    /// The place of a number; of those that are gone, the first.
    fn index(&self, number: u64) -> usize {
        let behind = number.saturating_sub(self.oldest());
        usize::try_from(behind).map_or(self.entries.len(), |at| at.min(self.entries.len()))
    }
}

#[cfg(test)]
mod tests;
