//! Names that are kept once, however many objects speak of them.
//!
//! In a cluster of 15,000 pods nearly every text is there many times over: the name of a namespace in
//! all its pods, services and slices, a label in all pods of one controller, the name of a pod in its
//! slices and in every index. So all texts of the model are [`Name`]s, and equal ones share one
//! allocation, wherever in the process they were made.

use std::borrow::Borrow;
use std::collections::HashSet;
use std::fmt;
use std::hash::Hash;
use std::ops::Deref;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

/// A text that costs nothing to copy. It compares, sorts and prints as the text does.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(Arc<str>);

static NAMES: LazyLock<Pool<str>> = LazyLock::new(Pool::default);

impl Name {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Name {
    fn from(text: &str) -> Self {
        Self(NAMES.share(text))
    }
}

impl From<&String> for Name {
    fn from(text: &String) -> Self {
        Self::from(text.as_str())
    }
}

impl From<String> for Name {
    fn from(text: String) -> Self {
        Self::from(text.as_str())
    }
}

impl From<Name> for String {
    fn from(name: Name) -> Self {
        name.as_str().to_owned()
    }
}

impl Default for Name {
    fn default() -> Self {
        Self::from("")
    }
}

impl Deref for Name {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for Name {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for Name {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.as_str(), f)
    }
}

impl PartialEq<str> for Name {
    fn eq(&self, other: &str) -> bool {
        self.as_str() == other
    }
}

impl PartialEq<&str> for Name {
    fn eq(&self, other: &&str) -> bool {
        self.as_str() == *other
    }
}

impl PartialEq<String> for Name {
    fn eq(&self, other: &String) -> bool {
        self.as_str() == other
    }
}

impl PartialEq<Name> for str {
    fn eq(&self, other: &Name) -> bool {
        self == other.as_str()
    }
}

impl PartialEq<Name> for String {
    fn eq(&self, other: &Name) -> bool {
        self == other.as_str()
    }
}

/// Values of which equal ones share one allocation.
///
/// What nobody else holds any more goes when the pool has doubled since it was last looked through.
#[derive(Debug)]
pub(crate) struct Pool<T: ?Sized>(Mutex<Shared<T>>);

#[derive(Debug)]
struct Shared<T: ?Sized> {
    values: HashSet<Arc<T>>,
    /// At this size it is looked through.
    limit: usize,
}

/// Below this many values, nothing is worth looking for.
const FEW: usize = 1024;

impl<T: ?Sized + Eq + Hash> Default for Pool<T> {
    fn default() -> Self {
        Self(Mutex::new(Shared {
            values: HashSet::new(),
            limit: FEW,
        }))
    }
}

impl<T: ?Sized + Eq + Hash> Pool<T> {
    /// The one copy of a value.
    pub(crate) fn share<'a>(&self, value: &'a T) -> Arc<T>
    where
        Arc<T>: From<&'a T>,
    {
        // A thread that panicked here left at worst a value too few.
        let mut shared = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = shared.values.get(value) {
            return Arc::clone(known);
        }
        if shared.values.len() >= shared.limit {
            shared.sweep();
        }
        let new = Arc::from(value);
        shared.values.insert(Arc::clone(&new));
        new
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        let shared = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        shared.values.len()
    }
}

impl<T: ?Sized + Eq + Hash> Shared<T> {
    fn sweep(&mut self) {
        self.values.retain(|value| Arc::strong_count(value) > 1);
        self.limit = FEW.max(2 * self.values.len());
        self.values.shrink_to(self.limit);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_names_are_one_allocation_however_they_were_made() {
        let one = Name::from("team-a");
        let other = Name::from(String::from("team-a"));
        assert!(Arc::ptr_eq(&one.0, &other.0));
        assert_eq!(one, other);
        assert_ne!(one, Name::from("team-b"));
    }

    #[test]
    fn a_name_sorts_and_prints_as_its_text() {
        let mut names = ["b", "a", "ab"].map(Name::from);
        names.sort();
        assert_eq!(names, ["a", "ab", "b"]);
        assert_eq!(format!("{0} {0:?}", Name::from("a")), "a \"a\"");
        assert_eq!(format!("{:>3}", Name::from("a")), "  a");
    }

    #[test]
    fn what_nobody_holds_any_more_goes_and_what_somebody_holds_stays() {
        let pool = Pool::<str>::default();
        let held: Vec<_> = (0..100).map(|n| pool.share(&format!("held{n}"))).collect();
        for n in 0..10 * FEW {
            pool.share(&format!("gone{n}"));
        }
        assert!(pool.len() <= FEW, "{}", pool.len());
        for (n, value) in held.iter().enumerate() {
            assert!(Arc::ptr_eq(value, &pool.share(&format!("held{n}"))));
        }
    }

    #[test]
    fn the_pool_grows_with_what_is_held() {
        let pool = Pool::<str>::default();
        let held: Vec<_> = (0..3 * FEW).map(|n| pool.share(&n.to_string())).collect();
        assert_eq!(pool.len(), held.len());
    }
}
