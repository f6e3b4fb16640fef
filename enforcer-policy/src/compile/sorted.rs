//! Sets in the indexes: most have a few members, many have one, and some have all pods there are.

use std::borrow::Borrow;
use std::collections::{BTreeSet, btree_set};
use std::slice;

/// A sorted set: in one allocation, no bigger than it must be, while it is small; a tree when it is
/// large, so that a change of it costs the same whatever its size.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Sorted<T>(Members<T>);

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Members<T> {
    Few(Vec<T>),
    Many(BTreeSet<T>),
}

/// From this size on the list grows by more than one place at a time.
const SMALL: usize = 8;

/// More members than this are kept in a tree.
const LARGE: usize = 128;

impl<T> Default for Sorted<T> {
    fn default() -> Self {
        Self(Members::Few(Vec::new()))
    }
}

impl<T: Ord> Sorted<T> {
    /// How many members there are.
    pub(super) fn len(&self) -> usize {
        match &self.0 {
            Members::Few(list) => list.len(),
            Members::Many(tree) => tree.len(),
        }
    }

    /// Whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The members in their order.
    pub(super) fn iter(&self) -> Iter<'_, T> {
        match &self.0 {
            Members::Few(list) => Iter::Few(list.iter()),
            Members::Many(tree) => Iter::Many(tree.iter()),
        }
    }

    /// Adds a member, if it is none yet.
    pub(super) fn insert(&mut self, value: T) {
        match &mut self.0 {
            Members::Few(list) => {
                let Err(index) = list.binary_search(&value) else {
                    return;
                };
                if list.len() < SMALL {
                    list.reserve_exact(1);
                }
                list.insert(index, value);
                if list.len() > LARGE {
                    self.0 = Members::Many(std::mem::take(list).into_iter().collect());
                }
            }
            Members::Many(tree) => drop(tree.insert(value)),
        }
    }

    /// Takes a member out.
    pub(super) fn remove<Q: Ord + ?Sized>(&mut self, value: &Q)
    where
        T: Borrow<Q>,
    {
        match &mut self.0 {
            Members::Few(list) => {
                if let Ok(index) = list.binary_search_by(|one| one.borrow().cmp(value)) {
                    list.remove(index);
                    if list.len() * 4 <= list.capacity() {
                        list.shrink_to(2 * list.len());
                    }
                }
            }
            Members::Many(tree) => {
                tree.remove(value);
                // Not at the size at which it became a tree, so that no member moves it to and fro.
                if tree.len() <= LARGE / 2 {
                    self.0 = Members::Few(std::mem::take(tree).into_iter().collect());
                }
            }
        }
    }
}

/// The members of a [`Sorted`].
pub(super) enum Iter<'a, T> {
    Few(slice::Iter<'a, T>),
    Many(btree_set::Iter<'a, T>),
}

impl<'a, T> Iterator for Iter<'a, T> {
    type Item = &'a T;

    fn next(&mut self) -> Option<&'a T> {
        match self {
            Self::Few(list) => list.next(),
            Self::Many(tree) => tree.next(),
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        match self {
            Self::Few(list) => list.size_hint(),
            Self::Many(tree) => tree.size_hint(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{LARGE, Members, Sorted};

    fn members(set: &Sorted<usize>) -> Vec<usize> {
        set.iter().copied().collect()
    }

    #[test]
    fn members_are_sorted_and_there_once() {
        let mut set = Sorted::default();
        for value in [3, 1, 2, 3, 1] {
            set.insert(value);
        }
        assert_eq!(members(&set), [1, 2, 3]);
        set.remove(&2);
        set.remove(&4);
        assert_eq!(members(&set), [1, 3]);
    }

    #[test]
    fn a_large_set_is_a_tree_and_has_the_same_members() {
        let mut set = Sorted::default();
        (0..3 * LARGE).rev().for_each(|value| set.insert(value));
        assert!(matches!(set.0, Members::Many(_)));
        assert_eq!(members(&set), (0..3 * LARGE).collect::<Vec<_>>());
        (10..3 * LARGE).for_each(|value| set.remove(&value));
        assert!(matches!(set.0, Members::Few(_)));
        assert_eq!(members(&set), (0..10).collect::<Vec<_>>());
    }

    #[test]
    fn room_that_was_needed_once_is_given_back() {
        let mut set = Sorted::default();
        (0..LARGE).for_each(|value| set.insert(value));
        (10..LARGE).for_each(|value| set.remove(&value));
        let mut one = Sorted::default();
        one.insert(1);
        let rooms = [set, one].map(|set| match set.0 {
            Members::Few(list) => (list.len(), list.capacity()),
            Members::Many(_) => (0, usize::MAX),
        });
        assert!(rooms[0].0 == 10 && rooms[0].1 < 50, "{rooms:?}");
        assert_eq!(rooms[1], (1, 1));
    }
}
