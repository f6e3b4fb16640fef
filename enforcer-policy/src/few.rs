//! Sets of few things.

use std::borrow::Borrow;
use std::ops::Deref;
use std::sync::Arc;

/// A set of few things that does not change: sorted, in one allocation that its copies share.
///
/// (A `BTreeSet` of one thing takes the room of eleven.)
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Few<T>(Arc<[T]>);

impl<T> Few<T> {
    /// Whether it is one of them.
    pub fn contains<Q: Ord + ?Sized>(&self, value: &Q) -> bool
    where
        T: Borrow<Q>,
    {
        self.0
            .binary_search_by(|one| one.borrow().cmp(value))
            .is_ok()
    }
}

impl<T> Default for Few<T> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<T> Deref for Few<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<T: Ord> FromIterator<T> for Few<T> {
    fn from_iter<I: IntoIterator<Item = T>>(values: I) -> Self {
        let mut values: Vec<T> = values.into_iter().collect();
        values.sort_unstable();
        values.dedup();
        Self(values.into())
    }
}

impl<T: Ord, const N: usize> From<[T; N]> for Few<T> {
    fn from(values: [T; N]) -> Self {
        values.into_iter().collect()
    }
}

impl<'a, T> IntoIterator for &'a Few<T> {
    type Item = &'a T;
    type IntoIter = std::slice::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::Few;

    #[test]
    fn a_set_has_no_order_and_no_repetition() {
        let set = Few::from([3, 1, 2, 1]);
        assert_eq!(set, Few::from([1, 2, 3]));
        assert_eq!(set.to_vec(), [1, 2, 3]);
        assert!(set.contains(&2) && !set.contains(&4));
        assert!(Few::<u8>::default().is_empty());
    }
}
