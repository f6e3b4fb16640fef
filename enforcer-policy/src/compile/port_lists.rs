//! The port array: every list once, however many verdicts use it.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use enforcer_common::abi::PortRange;

#[derive(Debug)]
struct List {
    offset: u32,
    users: usize,
}

/// A port list has found its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// Its first slot.
    pub(super) offset: u32,
    /// It was not there before: its slots must be written.
    pub(super) fresh: bool,
}

/// The lists in use, and the free slots between them.
///
/// A list goes into the shortest gap that is long enough, else behind all others. The slots of a
/// list that nobody uses any more are given out again only after [`PortLists::settle`]: programs
/// that still read them read old content.
#[derive(Debug)]
pub(super) struct PortLists {
    capacity: usize,
    lists: HashMap<Vec<PortRange>, List>,
    /// First slot → length; gaps never touch each other or the end.
    gaps: BTreeMap<u32, u32>,
    /// The same by length.
    by_length: BTreeSet<(u32, u32)>,
    leaving: Vec<(u32, u32)>,
    end: u32,
}

impl PortLists {
    /// An array of `capacity` slots.
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            capacity,
            lists: HashMap::new(),
            gaps: BTreeMap::new(),
            by_length: BTreeSet::new(),
            leaving: Vec::new(),
            end: 0,
        }
    }

    /// A place for one more use of a list that is not empty; `None` when there is no space.
    pub(super) fn hold(&mut self, ranges: &[PortRange]) -> Option<Place> {
        if let Some(list) = self.lists.get_mut(ranges) {
            list.users += 1;
            return Some(Place {
                offset: list.offset,
                fresh: false,
            });
        }
        let offset = self.allocate(u32::try_from(ranges.len()).ok()?)?;
        self.lists
            .insert(ranges.to_vec(), List { offset, users: 1 });
        Some(Place {
            offset,
            fresh: true,
        })
    }

    /// One use less.
    pub(super) fn unhold(&mut self, ranges: &[PortRange]) {
        let Some(list) = self.lists.get_mut(ranges) else {
            return;
        };
        list.users -= 1;
        if list.users == 0 {
            let (offset, length) = (list.offset, ranges.len());
            self.lists.remove(ranges);
            self.leaving
                .extend(u32::try_from(length).map(|length| (offset, length)));
        }
    }

    /// Gives back the slots of all lists that went.
    pub(super) fn settle(&mut self) {
        for (offset, length) in std::mem::take(&mut self.leaving) {
            self.free(offset, length);
        }
    }

    /// How many lists there are.
    pub(super) fn len(&self) -> usize {
        self.lists.len()
    }

    fn allocate(&mut self, length: u32) -> Option<u32> {
        let gap = self.by_length.range((length, 0)..).next().copied();
        if let Some((free, offset)) = gap {
            self.close(offset);
            if free > length {
                self.open(offset + length, free - length);
            }
            return Some(offset);
        }
        let offset = self.end;
        let end = offset.checked_add(length)?;
        if end as usize > self.capacity {
            return None;
        }
        self.end = end;
        Some(offset)
    }

    fn free(&mut self, mut offset: u32, mut length: u32) {
        if let Some((&before, &free)) = self.gaps.range(..offset).next_back()
            && before + free == offset
        {
            self.close(before);
            (offset, length) = (before, free + length);
        }
        if let Some(free) = self.close(offset + length) {
            length += free;
        }
        if offset + length == self.end {
            self.end = offset;
        } else {
            self.open(offset, length);
        }
    }

    fn open(&mut self, offset: u32, length: u32) {
        self.gaps.insert(offset, length);
        self.by_length.insert((length, offset));
    }

    /// Takes the gap at this slot away; its length, if there is one.
    fn close(&mut self, offset: u32) -> Option<u32> {
        let length = self.gaps.remove(&offset)?;
        self.by_length.remove(&(length, offset));
        Some(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A list of this many ports, different for each `seed`.
    fn list(seed: u16, length: u16) -> Vec<PortRange> {
        let range = |n| PortRange {
            protocol: 6,
            allow: 1,
            low: seed + 2 * n,
            high: seed + 2 * n,
            reserved: 0,
        };
        (0..length).map(range).collect()
    }

    fn offset(lists: &mut PortLists, seed: u16, length: u16) -> Option<u32> {
        lists.hold(&list(seed, length)).map(|place| place.offset)
    }

    #[test]
    fn a_list_is_written_once_and_stays_as_long_as_anyone_uses_it() {
        let mut lists = PortLists::new(10);
        let place = |fresh| Some(Place { offset: 0, fresh });
        assert_eq!(lists.hold(&list(1, 4)), place(true));
        assert_eq!(lists.hold(&list(1, 4)), place(false));
        lists.unhold(&list(1, 4));
        lists.settle();
        assert_eq!(lists.hold(&list(1, 4)), place(false));
    }

    #[test]
    fn slots_are_given_out_again_only_after_settling() {
        let mut lists = PortLists::new(4);
        assert_eq!(offset(&mut lists, 1, 4), Some(0));
        lists.unhold(&list(1, 4));
        assert_eq!(offset(&mut lists, 2, 1), None);
        lists.settle();
        assert_eq!(offset(&mut lists, 2, 1), Some(0));
    }

    #[test]
    fn the_shortest_gap_that_is_long_enough_is_taken() {
        let mut lists = PortLists::new(100);
        for (seed, length) in [(1, 2), (2, 1), (3, 5), (4, 1)] {
            lists.hold(&list(seed, length));
        }
        lists.unhold(&list(1, 2));
        lists.unhold(&list(3, 5));
        lists.settle();
        assert_eq!(offset(&mut lists, 10, 3), Some(3));
        assert_eq!(offset(&mut lists, 11, 2), Some(0));
        assert_eq!(offset(&mut lists, 12, 3), Some(9));
        assert_eq!(offset(&mut lists, 13, 2), Some(6));
    }

    #[test]
    fn gaps_that_touch_become_one_and_the_last_shortens_the_array() {
        let mut lists = PortLists::new(6);
        for seed in [1, 2, 3] {
            lists.hold(&list(seed, 2));
        }
        for seed in [1, 3, 2] {
            lists.unhold(&list(seed, 2));
        }
        lists.settle();
        assert_eq!(offset(&mut lists, 4, 6), Some(0));
        assert_eq!(offset(&mut lists, 5, 1), None);
    }
}
