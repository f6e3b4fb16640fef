//! The files of the image.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::{Context, Result};

/// The bits of what can be run.
const PROGRAM: u32 = 0o755;
/// The bits of what is read.
const TEXT: u32 = 0o644;

/// One file: what it holds and who may do what. Its owner is root, its time the image's.
pub(super) struct File {
    /// Permission bits.
    pub(super) mode: u32,
    pub(super) content: Vec<u8>,
}

/// Files by their path below the root, without a leading slash.
#[derive(Default)]
pub(super) struct Tree {
    files: BTreeMap<String, File>,
}

impl Tree {
    /// Adds a program from the disk. What the disk says of times and permissions does not count.
    pub(super) fn program(&mut self, path: &str, from: &Path) -> Result<()> {
        self.put(path, PROGRAM, read(from)?);
        Ok(())
    }

    /// Adds a file from the disk that is read only.
    pub(super) fn text_file(&mut self, path: &str, from: &Path) -> Result<()> {
        self.put(path, TEXT, read(from)?);
        Ok(())
    }

    /// Adds a text.
    pub(super) fn text(&mut self, path: &str, content: impl Into<Vec<u8>>) {
        self.put(path, TEXT, content.into());
    }

    fn put(&mut self, path: &str, mode: u32, content: Vec<u8>) {
        self.files.insert(path.to_owned(), File { mode, content });
    }

    /// The files in the order of their paths.
    pub(super) fn files(&self) -> impl Iterator<Item = (&str, &File)> {
        self.files.iter().map(|(path, file)| (path.as_str(), file))
    }

    /// The directories above the files, each before what is in it.
    pub(super) fn directories(&self) -> Vec<String> {
        let mut all: Vec<_> = self
            .files
            .keys()
            .flat_map(|path| {
                path.match_indices('/')
                    .map(|(end, _)| path[..end].to_owned())
            })
            .collect();
        all.sort();
        all.dedup();
        all
    }

    /// Bytes of all files together.
    pub(super) fn size(&self) -> u64 {
        self.files
            .values()
            .map(|file| file.content.len() as u64)
            .sum()
    }

    /// Writes the files into a directory that takes the place of what was there.
    pub(super) fn write(&self, root: &Path) -> Result<()> {
        if root.exists() {
            fs::remove_dir_all(root).with_context(|| format!("removing {}", root.display()))?;
        }
        for directory in std::iter::once(String::new()).chain(self.directories()) {
            let path = root.join(directory);
            // Not by the mode at creation, which the umask changes.
            fs::create_dir_all(&path)
                .and_then(|()| fs::set_permissions(&path, fs::Permissions::from_mode(PROGRAM)))
                .with_context(|| format!("making {}", path.display()))?;
        }
        for (path, file) in self.files() {
            let path = root.join(path);
            fs::write(&path, &file.content)
                .and_then(|()| fs::set_permissions(&path, fs::Permissions::from_mode(file.mode)))
                .with_context(|| format!("writing {}", path.display()))?;
        }
        Ok(())
    }
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("reading {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_comes_before_what_is_in_it_and_only_once() {
        let mut tree = Tree::default();
        for path in ["a/b/c", "a/b/d", "a/e", "f"] {
            tree.text(path, "");
        }
        assert_eq!(tree.directories(), ["a", "a/b"]);
    }

    #[test]
    fn written_files_replace_what_was_there_and_programs_can_be_run() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path().join("root");
        fs::create_dir(&root).unwrap();
        fs::write(root.join("old"), "").unwrap();
        let mut tree = Tree::default();
        tree.program("sh", "/bin/sh".as_ref()).unwrap();
        tree.text("licenses/a", "text");
        tree.write(&root).unwrap();
        assert!(!root.join("old").exists());
        assert_eq!(fs::read_to_string(root.join("licenses/a")).unwrap(), "text");
        let mode = |path| fs::metadata(root.join(path)).unwrap().permissions().mode() & 0o7777;
        assert_eq!((mode("sh"), mode("licenses/a")), (0o755, 0o644));
    }
}
