//! Everything below some paths, as it stands now.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use super::cache::{Cache, Reading};
use super::files;
use super::object::ObjectKey;
use super::read::{self, Contents, Document};
use crate::source::problem::{Place, Problem, Severity};

/// What was found.
#[derive(Debug, Default)]
pub(crate) struct Loaded {
    /// What the files hold, by path.
    pub contents: Vec<Arc<Contents>>,
    /// Files and folders that could not be read.
    pub unread: Vec<PathBuf>,
    /// What is wrong.
    pub problems: Vec<Problem>,
    /// How many files were read.
    pub files: usize,
    /// How many objects were of other kinds.
    pub ignored: usize,
}

impl Loaded {
    /// Every object that matters here, good or bad, by path and place.
    pub(crate) fn documents(&self) -> impl Iterator<Item = &Document> {
        self.contents.iter().flat_map(|file| &file.documents)
    }

    /// The first good object of each name.
    pub(crate) fn good(&self) -> BTreeMap<&ObjectKey, &Document> {
        let mut good = BTreeMap::new();
        for document in self.documents() {
            if let (Some(key), Some(_)) = (&document.key, &document.object) {
                good.entry(key).or_insert(document);
            }
        }
        good
    }

    fn tell_duplicates(&mut self) {
        let twice = duplicates(self.documents());
        self.problems.extend(twice);
        self.problems.sort();
        self.problems.dedup();
    }
}

/// Reads `paths`, each a file or a folder.
pub(crate) fn load(paths: &[PathBuf]) -> Loaded {
    let mut loaded = Loaded::default();
    for path in paths {
        let mut found = files::find(path);
        for file in std::mem::take(&mut found.files) {
            match files::read(&file.path) {
                Ok(text) => {
                    let file = Arc::from(file.path);
                    take(&mut loaded, Arc::new(read::text(&file, &text)));
                }
                Err(error) => found.fail(&file.path, &error),
            }
        }
        loaded.unread.append(&mut found.unread);
        loaded.problems.append(&mut found.problems);
    }
    loaded.tell_duplicates();
    loaded
}

/// What a cache holds after a reading. The documents come without their text.
pub(super) fn cached(cache: &Cache, reading: Reading) -> Loaded {
    let mut loaded = Loaded {
        unread: reading.unread,
        problems: reading.problems,
        ..Loaded::default()
    };
    for contents in cache.contents() {
        take(&mut loaded, Arc::clone(contents));
    }
    loaded.tell_duplicates();
    loaded
}

/// The texts of the files at `paths`, each a file or a folder, and what could not be read.
pub(crate) fn texts(paths: &[PathBuf]) -> (Vec<(PathBuf, String)>, Vec<Problem>) {
    let mut texts = Vec::new();
    let mut problems = Vec::new();
    for path in paths {
        let mut found = files::find(path);
        for file in std::mem::take(&mut found.files) {
            match files::read(&file.path) {
                Ok(text) => texts.push((file.path, text)),
                Err(error) => found.fail(&file.path, &error),
            }
        }
        problems.append(&mut found.problems);
    }
    (texts, problems)
}

/// Reads the texts of files.
pub(crate) fn parse(texts: Vec<(PathBuf, String)>) -> Loaded {
    let mut loaded = Loaded::default();
    for (file, text) in texts {
        take(&mut loaded, Arc::new(read::text(&Arc::from(file), &text)));
    }
    loaded.tell_duplicates();
    loaded
}

fn take(loaded: &mut Loaded, contents: Arc<Contents>) {
    loaded.files += 1;
    loaded.ignored += contents.ignored;
    loaded.problems.extend(contents.problems.iter().cloned());
    loaded.contents.push(contents);
}

/// An object that is described twice is told at its second place, with its first.
fn duplicates<'a>(documents: impl Iterator<Item = &'a Document>) -> Vec<Problem> {
    let mut first: BTreeMap<&ObjectKey, &Document> = BTreeMap::new();
    let mut problems = Vec::new();
    for document in documents {
        let Some(key) = &document.key else {
            continue;
        };
        if let Some(earlier) = first.get(key) {
            problems.push(duplicate(key, document, earlier));
        } else {
            first.insert(key, document);
        }
    }
    problems
}

fn duplicate(key: &ObjectKey, second: &Document, first: &Document) -> Problem {
    let (here, there) = (second.at, first.at);
    let file = first.file.display();
    Problem {
        place: Place::File {
            file: second.file.to_path_buf(),
            line: here.line,
            column: here.column,
        },
        severity: Severity::Error,
        code: "duplicate-object",
        object: Some(key.to_string()),
        field: None,
        message: format!("{key} is described already in {file}:{}", there.line),
        help: Some("remove one of them, or give it another name; the first one counts".to_owned()),
    }
}
