//! Finding and reading files.

use std::ffi::{OsStr, OsString};
use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::source::problem::Problem;

/// Folders below folders, links to folders included.
const MAX_DEPTH: usize = 32;

/// Far more than any directory of manifests holds in one file; more is a mistake or an attack.
const MAX_BYTES: u64 = 64 << 20;

/// A file, and its stamp when it was found.
#[derive(Debug)]
pub(super) struct File {
    pub path: PathBuf,
    pub stamp: Stamp,
}

/// What the file system says about a file. Whoever writes to it changes that, sooner or later: clocks
/// go on in steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    file: (u64, u64),
    length: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl From<&Metadata> for Stamp {
    fn from(metadata: &Metadata) -> Self {
        Self {
            file: (metadata.dev(), metadata.ino()),
            length: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

/// The files below some path, and what could not be read.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Files, in the order of their paths.
    pub files: Vec<File>,
    /// Paths that could not be read: what came from below them before is not known now.
    pub unread: Vec<PathBuf>,
    /// What is wrong.
    pub problems: Vec<Problem>,
}

impl Found {
    fn put(&mut self, path: PathBuf, metadata: &Metadata) {
        let stamp = metadata.into();
        self.files.push(File { path, stamp });
    }

    pub(super) fn fail(&mut self, path: &Path, error: &io::Error) {
        let code = if error.kind() == io::ErrorKind::NotFound {
            "no-such-file"
        } else {
            "unreadable"
        };
        let message = format!("cannot be read: {error}");
        self.problems.push(Problem::of_file(path, code, message));
        self.unread.push(path.to_owned());
    }
}

/// The manifests at `root`: itself when it is a file, else all `.yaml`, `.yml` and `.json` below it.
/// Links are followed. What begins with a dot is left out: editors' and version control's files,
/// and the `..data` folders of a mounted `ConfigMap`, whose content is linked beside them.
pub(super) fn find(root: &Path) -> Found {
    let mut found = Found::default();
    match std::fs::metadata(root) {
        Ok(metadata) if metadata.is_dir() => walk(root, 0, &mut found),
        Ok(metadata) => found.put(root.to_owned(), &metadata),
        Err(error) => found.fail(root, &error),
    }
    found
}

fn walk(directory: &Path, depth: usize, found: &mut Found) {
    let names = |entries: std::fs::ReadDir| -> io::Result<Vec<OsString>> {
        entries.map(|entry| Ok(entry?.file_name())).collect()
    };
    let mut names = match std::fs::read_dir(directory).and_then(names) {
        Ok(names) => names,
        Err(error) => return found.fail(directory, &error),
    };
    // Names, because to compare paths is slow.
    names.sort_unstable();
    for name in names.into_iter().filter(|name| !is_hidden(name)) {
        let path = directory.join(name);
        match std::fs::metadata(&path) {
            Ok(metadata) if metadata.is_dir() && depth < MAX_DEPTH && !loops(&path) => {
                walk(&path, depth + 1, found);
            }
            Ok(metadata) if metadata.is_file() && is_manifest(&path) => found.put(path, &metadata),
            Err(error) if is_manifest(&path) => found.fail(&path, &error),
            _ => {}
        }
    }
}

fn is_hidden(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(b".")
}

/// Whether `path` is named as a manifest.
pub(super) fn is_manifest(path: &Path) -> bool {
    let extension = path.extension().and_then(OsStr::to_str);
    matches!(extension, Some("yaml" | "yml" | "json"))
}

/// Whether `path` is a link to a folder that it stands in.
fn loops(path: &Path) -> bool {
    let Ok(target) = std::fs::canonicalize(path) else {
        return false;
    };
    let parent = path
        .parent()
        .and_then(|parent| std::fs::canonicalize(parent).ok());
    parent.is_some_and(|parent| parent.starts_with(&target))
}

/// The text of a file.
pub(super) fn read(path: &Path) -> io::Result<String> {
    let length = std::fs::metadata(path)?.len();
    if length > MAX_BYTES {
        let message = format!("it has {length} bytes, more than {MAX_BYTES}");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, message));
    }
    let text = std::fs::read_to_string(path)?;
    if is_json(path) {
        // A tab is white space to JSON and a mistake to YAML; in a JSON string it cannot stand.
        return Ok(text.replace('\t', " "));
    }
    Ok(text)
}

/// Whether `path` is named as JSON.
pub(super) fn is_json(path: &Path) -> bool {
    path.extension()
        .is_some_and(|extension| extension == "json")
}
