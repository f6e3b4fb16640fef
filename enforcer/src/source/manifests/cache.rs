//! What files held when they were read last.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::files::{self, File, Stamp};
use super::read::{self, Contents};
use crate::source::problem::Problem;

/// A clock of a file system may go on in steps of this. Two writes within one step leave the same
/// stamp, so a text counts as that of its stamp only when it was read so long after the stamp was
/// first seen. Who sees it is this machine, because the file system's clock may be another's.
const STEP: Duration = Duration::from_secs(3);

/// Parsed files beside their texts.
#[derive(Debug, Default)]
pub(crate) struct Cache {
    // Not ordered by path: to compare paths is slow.
    files: HashMap<Arc<Path>, Parsed>,
    /// In the order in which they are found.
    order: Vec<Arc<Path>>,
}

#[derive(Debug)]
struct Parsed {
    text: String,
    contents: Arc<Contents>,
    stamp: Stamp,
    /// When this stamp was first seen.
    seen: Instant,
    /// The text was read when the stamp could not stand for another any more.
    sure: bool,
}

/// A file whose text became another, appeared or went away.
#[derive(Debug)]
pub(super) struct Replaced {
    pub before: Option<Arc<Contents>>,
    pub after: Option<Arc<Contents>>,
}

/// What a look at the files brought.
#[derive(Debug, Default)]
pub(super) struct Reading {
    /// In no order.
    pub replaced: Vec<Replaced>,
    /// Files and folders that could not be read.
    pub unread: Vec<PathBuf>,
    /// What is wrong with files as such.
    pub problems: Vec<Problem>,
}

impl Cache {
    /// Looks at everything at `root`. A text that is what it was is not parsed again; where stamps
    /// are trusted, a file whose stamp is what it was is not even read.
    pub(super) fn read(&mut self, root: &Path, trust: bool) -> Reading {
        let mut found = files::find(root);
        let mut before = std::mem::take(&mut self.files);
        self.order.clear();
        let mut reading = Reading::default();
        for file in std::mem::take(&mut found.files) {
            let known = before.remove_entry(file.path.as_path());
            let trusted = |known: &Parsed| trust && known.sure && known.stamp == file.stamp;
            match known {
                Some((path, known)) if trusted(&known) => self.put(path, known),
                known => match files::read(&file.path) {
                    Ok(text) => self.take(&mut reading, file, text, known.map(|(_, known)| known)),
                    Err(error) => {
                        found.fail(&file.path, &error);
                        reading.lose(known.map(|(_, known)| known));
                    }
                },
            }
        }
        for (_, gone) in before {
            reading.lose(Some(gone));
        }
        reading.unread = found.unread;
        reading.problems = found.problems;
        reading
    }

    /// Everything that files hold, in the order in which they are found.
    pub(super) fn contents(&self) -> impl Iterator<Item = &Arc<Contents>> {
        let files = self.order.iter().filter_map(|path| self.files.get(path));
        files.map(|file| &file.contents)
    }

    fn put(&mut self, path: Arc<Path>, parsed: Parsed) {
        self.order.push(Arc::clone(&path));
        self.files.insert(path, parsed);
    }

    fn take(&mut self, reading: &mut Reading, file: File, text: String, known: Option<Parsed>) {
        let path: Arc<Path> = Arc::from(file.path);
        let now = Instant::now();
        let same = known
            .as_ref()
            .is_some_and(|known| known.stamp == file.stamp);
        let seen = known
            .as_ref()
            .filter(|_| same)
            .map_or(now, |known| known.seen);
        let contents = match known {
            Some(known) if known.text == text => known.contents,
            known => {
                let contents = Arc::new(read::text(&path, &text).without_text());
                reading.replaced.push(Replaced {
                    before: known.map(|known| known.contents),
                    after: Some(Arc::clone(&contents)),
                });
                contents
            }
        };
        let parsed = Parsed {
            text,
            contents,
            stamp: file.stamp,
            seen,
            sure: now.duration_since(seen) >= STEP,
        };
        self.put(path, parsed);
    }
}

impl Reading {
    fn lose(&mut self, known: Option<Parsed>) {
        self.replaced.extend(known.map(|known| Replaced {
            before: Some(known.contents),
            after: None,
        }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "{apiVersion: v1, kind: Pod, metadata: {name: a}}";

    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a.yaml"), ONE).unwrap();
        folder
    }

    #[test]
    fn a_file_is_parsed_anew_only_when_its_text_is_another() {
        let folder = folder();
        let mut cache = Cache::default();
        assert_eq!(cache.read(folder.path(), true).replaced.len(), 1);
        let file = folder.path().join("a.yaml");
        std::fs::write(&file, ONE).unwrap();
        assert_eq!(cache.read(folder.path(), true).replaced.len(), 0);
        std::fs::write(&file, ONE.replace("name: a", "name: b")).unwrap();
        let reading = cache.read(folder.path(), true);
        let [
            Replaced {
                before: Some(before),
                after: Some(after),
            },
        ] = &reading.replaced[..]
        else {
            panic!("{reading:?}");
        };
        assert_ne!(before.documents[0].key, after.documents[0].key);
        std::fs::remove_file(&file).unwrap();
        let reading = cache.read(folder.path(), true);
        assert!(matches!(
            &reading.replaced[..],
            [Replaced {
                before: Some(_),
                after: None
            }]
        ));
    }

    #[test]
    fn a_stamp_is_trusted_only_when_it_was_there_for_longer_than_a_clock_may_stand() {
        let folder = folder();
        let mut cache = Cache::default();
        cache.read(folder.path(), true);
        let young = cache.files.values().all(|file| !file.sure);
        assert!(young);
        for file in cache.files.values_mut() {
            file.seen -= STEP;
        }
        cache.read(folder.path(), true);
        assert!(cache.files.values().all(|file| file.sure));
        // What is trusted is not read: a text that was never there stays.
        for file in cache.files.values_mut() {
            file.text.clear();
        }
        assert_eq!(cache.read(folder.path(), true).replaced.len(), 0);
        assert_eq!(cache.read(folder.path(), false).replaced.len(), 1);
    }
}
