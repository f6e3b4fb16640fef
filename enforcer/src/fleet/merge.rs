//! Streams of records as one stream by time.
//!
//! The earliest record goes on when every source has shown its next one. A source that has nothing for a
//! while holds the others up no longer than a window, so records of different nodes come in order as far
//! as they arrive within it. Each source keeps its own order. No clock here: whoever calls says what time
//! it is.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap, VecDeque};
use std::time::{Duration, Instant};

/// Merges what sources give, each by its own order.
#[derive(Debug)]
pub struct Merger<K, T> {
    sources: Vec<Source<K, T>>,
    /// The next item of each source that has one.
    heads: BinaryHeap<Reverse<(K, usize)>>,
    /// Sources that the others wait for, and until when; `None` is for ever.
    awaited: BTreeSet<(Option<Instant>, usize)>,
    /// How long a source without an item is waited for; `None` until it ends.
    window: Option<Duration>,
}

/// Whether the others wait for a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wait {
    Not,
    /// Until then; `None` is for ever.
    Until(Option<Instant>),
}

#[derive(Debug)]
struct Source<K, T> {
    items: VecDeque<(K, T)>,
    wait: Wait,
    ended: bool,
}

impl<K: Ord + Clone, T> Merger<K, T> {
    /// Of so many sources, each of which is awaited until then, or until it begins or ends.
    pub fn new(sources: usize, window: Option<Duration>, until: Option<Instant>) -> Self {
        let source = || Source {
            items: VecDeque::new(),
            wait: Wait::Not,
            ended: false,
        };
        let mut merger = Self {
            sources: std::iter::repeat_with(source).take(sources).collect(),
            heads: BinaryHeap::new(),
            awaited: BTreeSet::new(),
            window,
        };
        for source in 0..sources {
            merger.wait_for(source, until);
        }
        merger
    }

    /// A source gives an item.
    pub fn push(&mut self, source: usize, key: K, item: T) {
        let Some(one) = self.sources.get_mut(source) else {
            return;
        };
        if one.items.is_empty() {
            self.heads.push(Reverse((key.clone(), source)));
        }
        one.items.push_back((key, item));
        self.forgo(source);
    }

    /// A source has begun to answer: what it has comes within the window.
    pub fn begin(&mut self, source: usize, now: Instant) {
        let idle = |one: &Source<K, T>| one.items.is_empty() && !one.ended;
        if self.sources.get(source).is_some_and(idle) {
            self.forgo(source);
            self.wait_for(source, self.window.map(|window| now + window));
        }
    }

    /// A source gives no more.
    pub fn end(&mut self, source: usize) {
        self.forgo(source);
        if let Some(one) = self.sources.get_mut(source) {
            one.ended = true;
        }
    }

    /// The next item of all, if it is certain, or time to go on without those that are awaited.
    pub fn next(&mut self, now: Instant) -> Option<(usize, T)> {
        while let Some((Some(until), source)) = self.awaited.first().copied()
            && until <= now
        {
            self.forgo(source);
        }
        if !self.awaited.is_empty() {
            return None;
        }
        let Reverse((_, source)) = self.heads.pop()?;
        let one = self.sources.get_mut(source)?;
        let (_, item) = one.items.pop_front()?;
        match one.items.front() {
            Some((key, _)) => self.heads.push(Reverse((key.clone(), source))),
            None if !one.ended => self.wait_for(source, self.window.map(|window| now + window)),
            None => {}
        }
        Some((source, item))
    }

    /// When to ask for the next item again though nothing comes.
    pub fn deadline(&self) -> Option<Instant> {
        // Those that are awaited for ever are first.
        self.awaited.first().and_then(|(until, _)| *until)
    }

    /// Whether no source is awaited and nothing is left.
    pub fn is_quiet(&self) -> bool {
        self.awaited.is_empty() && self.heads.is_empty()
    }

    fn wait_for(&mut self, source: usize, until: Option<Instant>) {
        if let Some(one) = self.sources.get_mut(source) {
            one.wait = Wait::Until(until);
            self.awaited.insert((until, source));
        }
    }

    fn forgo(&mut self, source: usize) {
        let Some(one) = self.sources.get_mut(source) else {
            return;
        };
        if let Wait::Until(until) = std::mem::replace(&mut one.wait, Wait::Not) {
            self.awaited.remove(&(until, source));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(merger: &mut Merger<u32, u32>, now: Instant) -> Vec<u32> {
        std::iter::from_fn(|| merger.next(now).map(|(_, item)| item)).collect()
    }

    fn give(merger: &mut Merger<u32, u32>, source: usize, items: &[u32]) {
        for item in items {
            merger.push(source, *item, *item);
        }
    }

    #[test]
    fn sources_that_end_are_merged_exactly_however_slow_they_are() {
        let now = Instant::now();
        let late = now + Duration::from_secs(1000);
        let mut merger = Merger::new(3, None, None);
        give(&mut merger, 0, &[1, 4, 6]);
        give(&mut merger, 1, &[2, 3, 9]);
        assert!(
            all(&mut merger, late).is_empty(),
            "the third may be earlier"
        );
        assert_eq!(merger.deadline(), None);
        give(&mut merger, 2, &[0]);
        assert_eq!(all(&mut merger, late), [0]);
        merger.end(2);
        assert_eq!(all(&mut merger, late), [1, 2, 3, 4, 6]);
        merger.end(0);
        assert_eq!(all(&mut merger, late), [9]);
        merger.end(1);
        assert!(merger.is_quiet());
    }

    #[test]
    fn a_source_without_news_is_waited_for_no_longer_than_the_window() {
        let now = Instant::now();
        let window = Duration::from_secs(1);
        let mut merger = Merger::new(2, Some(window), Some(now + window));
        give(&mut merger, 0, &[5, 7]);
        assert!(all(&mut merger, now).is_empty());
        assert_eq!(merger.deadline(), Some(now + window));
        assert_eq!(all(&mut merger, now + window), [5, 7]);
        // Now the first is awaited as long, because it had something.
        give(&mut merger, 1, &[6, 8]);
        assert!(all(&mut merger, now + window).is_empty());
        give(&mut merger, 0, &[9]);
        assert_eq!(all(&mut merger, now + window), [6, 8]);
        assert_eq!(all(&mut merger, now + 3 * window), [9]);
        assert_eq!(all(&mut merger, now + 5 * window), [0; 0]);
        assert!(merger.is_quiet());
    }

    #[test]
    fn a_source_keeps_its_own_order() {
        let now = Instant::now();
        let mut merger = Merger::new(2, None, None);
        // A clock that was set back.
        give(&mut merger, 0, &[9, 3]);
        give(&mut merger, 1, &[5, 6]);
        merger.end(0);
        merger.end(1);
        assert_eq!(all(&mut merger, now), [5, 6, 9, 3]);
    }
}
