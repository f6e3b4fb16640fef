//! Sets as sorted lists: most of those in the indexes have a few members, many have one.

use std::cmp::Ordering;
use std::ops::Deref;

/// A set in one allocation, no bigger than it must be while it is small.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Sorted<T>(Vec<T>);

/// From this size on it grows by more than one place at a time.
const SMALL: usize = 8;

impl<T> Default for Sorted<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Deref for Sorted<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<T: Ord> Sorted<T> {
    /// Adds a member, if it is none yet.
    pub(super) fn insert(&mut self, value: T) {
        let Err(index) = self.0.binary_search(&value) else {
            return;
        };
        if self.0.len() < SMALL {
            self.0.reserve_exact(1);
        }
        self.0.insert(index, value);
    }

    /// Takes a member out.
    pub(super) fn remove(&mut self, value: &T) {
        self.remove_by(|one| one.cmp(value));
    }

    /// Takes the member out that is equal by this order, which must be that of the set.
    pub(super) fn remove_by(&mut self, order: impl FnMut(&T) -> Ordering) {
        if let Ok(index) = self.0.binary_search_by(order) {
            self.0.remove(index);
            if self.0.len() * 4 <= self.0.capacity() {
                self.0.shrink_to(2 * self.0.len());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Sorted;

    #[test]
    fn members_are_sorted_and_there_once() {
        let mut set = Sorted::default();
        for value in [3, 1, 2, 3, 1] {
            set.insert(value);
        }
        assert_eq!(set.to_vec(), [1, 2, 3]);
        set.remove(&2);
        set.remove(&4);
        assert_eq!(set.to_vec(), [1, 3]);
    }

    #[test]
    fn room_that_was_needed_once_is_given_back() {
        let mut set = Sorted::default();
        (0..1000).for_each(|value| set.insert(value));
        (10..1000).for_each(|value| set.remove(&value));
        assert_eq!(set.len(), 10);
        assert!(set.0.capacity() < 50);
        let mut one = Sorted::default();
        one.insert(1);
        assert_eq!(one.0.capacity(), 1);
    }
}
