//! Finding and reading files.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};

use crate::source::problem::Problem;

/// Folders below folders, links to folders included.
const MAX_DEPTH: usize = 32;

/// Far more than any directory of manifests holds in one file; more is a mistake or an attack.
const MAX_BYTES: u64 = 64 << 20;

/// The files below some path, and what could not be read.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Files, in the order of their paths.
    pub files: Vec<PathBuf>,
    /// Paths that could not be read: what came from below them before is not known now.
    pub unread: Vec<PathBuf>,
    /// What is wrong.
    pub problems: Vec<Problem>,
}

impl Found {
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
        Ok(_) => found.files.push(root.to_owned()),
        Err(error) => found.fail(root, &error),
    }
    found
}

fn walk(directory: &Path, depth: usize, found: &mut Found) {
    let entries = std::fs::read_dir(directory).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let mut paths: Vec<PathBuf> = match entries {
        Ok(entries) => entries.iter().map(std::fs::DirEntry::path).collect(),
        Err(error) => return found.fail(directory, &error),
    };
    paths.sort_unstable();
    for path in paths.into_iter().filter(|path| !is_hidden(path)) {
        match std::fs::metadata(&path) {
            Ok(metadata) if metadata.is_dir() && depth < MAX_DEPTH && !loops(&path) => {
                walk(&path, depth + 1, found);
            }
            Ok(metadata) if metadata.is_file() && is_manifest(&path) => found.files.push(path),
            Err(error) if is_manifest(&path) => found.fail(&path, &error),
            _ => {}
        }
    }
}

fn is_hidden(path: &Path) -> bool {
    path.file_name()
        .is_none_or(|name| name.as_encoded_bytes().starts_with(b"."))
}

fn is_manifest(path: &Path) -> bool {
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
