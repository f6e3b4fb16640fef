//! The source that the daemon reads again and again.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use enforcer_policy::model::Cluster;

use super::cache::{Cache, Reading};
use super::changes::Absent;
use super::load::{Loaded, cached};
use super::object::{Object, ObjectKey};
use super::watch::{Watch, WatchError};
use crate::source::problem::Problem;

/// A directory (or file) of manifests, and what was last good in it.
///
/// A mistake changes nothing that is in force: an object whose new text is wrong stays as it was
/// last read, as do all objects of a file when nobody can tell which of them its mistake hides.
#[derive(Debug)]
pub struct ManifestSource {
    root: PathBuf,
    pub(super) good: BTreeMap<ObjectKey, Kept>,
    pub(super) cache: Cache,
    /// What is good is just what the files hold: everything was read, nothing is wrong with any
    /// object, and none is there twice.
    pub(super) plain: bool,
    /// Objects that may not be in force as they are here.
    pub(super) touched: BTreeSet<ObjectKey>,
    /// Objects that went away, until that is believed.
    pub(super) absent: Option<Absent>,
}

/// An object and the file that it was last read from.
#[derive(Clone, Debug)]
pub(super) struct Kept {
    pub file: Arc<Path>,
    pub object: Object,
}

/// What is to be in force.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// All objects, each in its last good version.
    pub cluster: Cluster,
    /// What is wrong now, by file and line; gone when mended.
    pub problems: Vec<Problem>,
    /// The objects of `cluster` that are older than what stands in the files, because that is wrong.
    pub kept: BTreeSet<ObjectKey>,
    /// How many files were read.
    pub files: usize,
    /// How many objects were of kinds that do not matter here.
    pub ignored: usize,
}

impl ManifestSource {
    /// A source that has read nothing yet.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self {
            root: root.into(),
            good: BTreeMap::new(),
            cache: Cache::default(),
            plain: true,
            touched: BTreeSet::new(),
            absent: None,
        }
    }

    /// Reads everything anew; what has not changed is not parsed again.
    pub fn reload(&mut self) -> Snapshot {
        let reading = self.cache.read(&self.root, false);
        let (loaded, kept) = self.judge(reading);
        self.touched.clear();
        self.absent = None;
        let mut cluster = Cluster::default();
        for (key, kept) in &self.good {
            kept.object.insert_into(key, &mut cluster);
        }
        Snapshot {
            cluster,
            problems: loaded.problems,
            kept,
            files: loaded.files,
            ignored: loaded.ignored,
        }
    }

    /// Reads what seems to have changed.
    pub(super) fn read(&mut self) -> Reading {
        self.cache.read(&self.root, true)
    }

    /// Decides for all objects which version is to be in force. Answers what was found, and the
    /// objects that are only kept.
    pub(super) fn judge(&mut self, reading: Reading) -> (Loaded, BTreeSet<ObjectKey>) {
        let loaded = cached(&self.cache, reading);
        let (next, kept) = self.next(&loaded);
        let before = std::mem::replace(&mut self.good, next);
        let same = |one: &ObjectKey, other: &BTreeMap<ObjectKey, Kept>, kept: &Kept| {
            other
                .get(one)
                .is_some_and(|other| other.object == kept.object)
        };
        let gone = before
            .iter()
            .filter(|(key, kept)| !same(key, &self.good, kept));
        let new = self
            .good
            .iter()
            .filter(|(key, kept)| !same(key, &before, kept));
        let touched = gone.chain(new).map(|(key, _)| key.clone());
        self.touched.extend(touched);
        let documents = loaded.documents().count();
        self.plain = loaded.unread.is_empty() && kept.is_empty() && documents == self.good.len();
        (loaded, kept)
    }

    /// A stream of "something changed below the root".
    ///
    /// # Errors
    /// When the system refuses to watch.
    pub fn watch(&self) -> Result<Watch, WatchError> {
        Watch::new(&self.root)
    }

    /// What is good now, and which of it is only kept.
    fn next(&self, loaded: &Loaded) -> (BTreeMap<ObjectKey, Kept>, BTreeSet<ObjectKey>) {
        let good = loaded.good().into_iter();
        let mut next: BTreeMap<_, _> = good
            .filter_map(|(key, document)| {
                let file = Arc::clone(&document.file);
                let object = document.object.clone()?;
                Some((key.clone(), Kept { file, object }))
            })
            .collect();
        let mistakes = Mistakes::new(loaded);
        let mut old = BTreeSet::new();
        for (key, kept) in &self.good {
            let gone = !next.contains_key(key);
            if mistakes.spoil(key, kept) || (gone && mistakes.may_hide(key, kept)) {
                next.insert(key.clone(), kept.clone());
                old.insert(key.clone());
            }
        }
        (next, old)
    }
}

/// What could not be taken, by what is known of it.
#[derive(Default)]
struct Mistakes<'a> {
    /// Objects by file that have a good version there.
    good: HashSet<(&'a ObjectKey, &'a Path)>,
    /// Objects by file that have a wrong version there.
    wrong: HashSet<(&'a ObjectKey, &'a Path)>,
    /// Objects that have a wrong version anywhere.
    keys: HashSet<&'a ObjectKey>,
    /// Files with something that could be any object.
    files: HashSet<&'a Path>,
    /// Files and folders that could not be read.
    unread: &'a [PathBuf],
}

impl<'a> Mistakes<'a> {
    fn new(loaded: &'a Loaded) -> Self {
        let unread = loaded.unread.as_slice();
        let mut mistakes = Self {
            unread,
            ..Self::default()
        };
        for document in loaded.documents() {
            let file = &*document.file;
            match (&document.key, &document.object) {
                (Some(key), Some(_)) => drop(mistakes.good.insert((key, file))),
                (Some(key), None) => {
                    mistakes.wrong.insert((key, file));
                    mistakes.keys.insert(key);
                }
                (None, _) => drop(mistakes.files.insert(file)),
            }
        }
        mistakes
    }

    /// Whether the object is still in its file, and wrong there: then no other file's version takes
    /// its place meanwhile.
    fn spoil(&self, key: &ObjectKey, kept: &Kept) -> bool {
        let here = (key, &*kept.file);
        self.wrong.contains(&here) && !self.good.contains(&here)
    }

    /// Whether a mistake may be what became of an object that is not found any more.
    fn may_hide(&self, key: &ObjectKey, kept: &Kept) -> bool {
        self.keys.contains(key)
            || self.files.contains(&*kept.file)
            || self.unread.iter().any(|path| kept.file.starts_with(path))
    }
}
