//! Everything below some paths, as it stands now.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::files;
use super::object::ObjectKey;
use super::read::{self, Document};
use crate::source::problem::{Problem, Severity};

/// What was found.
#[derive(Debug, Default)]
pub(crate) struct Loaded {
    /// Every object that matters here, good or bad, by path and place.
    pub documents: Vec<Document>,
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
    /// The first good object of each name.
    pub(crate) fn good(&self) -> BTreeMap<&ObjectKey, &Document> {
        let mut good = BTreeMap::new();
        for document in &self.documents {
            if let (Some(key), Some(_)) = (&document.key, &document.object) {
                good.entry(key).or_insert(document);
            }
        }
        good
    }
}

/// Reads `paths`, each a file or a folder.
pub(crate) fn load(paths: &[PathBuf]) -> Loaded {
    let mut loaded = Loaded::default();
    for path in paths {
        let mut found = files::find(path);
        for file in std::mem::take(&mut found.files) {
            match files::read(&file) {
                Ok(text) => take(&mut loaded, &Arc::from(file), &text),
                Err(error) => found.fail(&file, &error),
            }
        }
        loaded.unread.append(&mut found.unread);
        loaded.problems.append(&mut found.problems);
    }
    let twice = duplicates(&loaded.documents);
    loaded.problems.extend(twice);
    loaded.problems.sort();
    loaded.problems.dedup();
    loaded
}

fn take(loaded: &mut Loaded, file: &Arc<Path>, text: &str) {
    let mut contents = read::text(file, text);
    loaded.files += 1;
    loaded.ignored += contents.ignored;
    loaded.documents.append(&mut contents.documents);
    loaded.problems.append(&mut contents.problems);
}

/// An object that is described twice is told at its second place, with its first.
fn duplicates(documents: &[Document]) -> Vec<Problem> {
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
    let place = |document: &Document| {
        let node = document.node.as_ref();
        node.map(|node| node.at).unwrap_or_default()
    };
    let (here, there) = (place(second), place(first));
    let file = first.file.display();
    Problem {
        file: second.file.to_path_buf(),
        line: here.line,
        column: here.column,
        severity: Severity::Error,
        code: "duplicate-object",
        object: Some(key.to_string()),
        field: None,
        message: format!("{key} is described already in {file}:{}", there.line),
        help: Some("remove one of them, or give it another name; the first one counts".to_owned()),
    }
}
