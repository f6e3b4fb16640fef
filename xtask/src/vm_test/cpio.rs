//! Initial file systems as the kernel reads them: cpio archives in the form "newc"
//! (`Documentation/driver-api/early-userspace/buffer-format.rst`).

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// What is at a path.
enum Entry {
    Directory,
    /// With these bytes, for everybody to read and run.
    Bytes(Vec<u8>),
    /// With what is in a file here.
    File(PathBuf),
    Link(String),
    /// A character device.
    Device {
        major: u32,
        minor: u32,
    },
}

/// A file system to be. The same content gives the same bytes.
#[derive(Default)]
pub(super) struct Tree(BTreeMap<String, Entry>);

/// Directories that are links on a merged system.
const MERGED: [&str; 4] = ["bin", "lib", "lib64", "sbin"];

impl Tree {
    /// With what the kernel needs to start the first process, and the directories of a merged system.
    pub(super) fn new() -> Self {
        let mut tree = Self::default();
        for name in MERGED {
            tree.put(&format!("/usr/{name}"), Entry::Directory);
            tree.put(&format!("/{name}"), Entry::Link(format!("usr/{name}")));
        }
        for name in ["dev", "etc", "proc", "root", "run", "sys", "tmp"] {
            tree.put(&format!("/{name}"), Entry::Directory);
        }
        tree.put("/dev/console", Entry::Device { major: 5, minor: 1 });
        tree
    }

    /// A directory.
    pub(super) fn directory(&mut self, path: &Path) {
        self.put(&path.to_string_lossy(), Entry::Directory);
    }

    /// A file with these bytes.
    pub(super) fn bytes(&mut self, path: &str, bytes: impl Into<Vec<u8>>) {
        self.put(path, Entry::Bytes(bytes.into()));
    }

    /// A copy of a file of this machine, by whatever name.
    pub(super) fn file(&mut self, path: &str, source: &Path) {
        self.put(path, Entry::File(source.to_owned()));
    }

    /// A symbolic link.
    pub(super) fn link(&mut self, path: &str, target: &str) {
        self.put(path, Entry::Link(target.to_owned()));
    }

    fn put(&mut self, path: &str, entry: Entry) {
        let path = path.trim_matches('/');
        let first = path.split('/').next().unwrap_or_default();
        let path = if MERGED.contains(&first) && path != first {
            format!("usr/{path}")
        } else {
            path.to_owned()
        };
        for (end, _) in path.match_indices('/') {
            self.0
                .entry(path[..end].to_owned())
                .or_insert(Entry::Directory);
        }
        self.0.insert(path, entry);
    }

    /// Writes it all; gives the size.
    pub(super) fn write(&self, path: &Path) -> Result<u64> {
        let file = File::create(path).with_context(|| format!("creating {}", path.display()))?;
        let mut out = BufWriter::new(file);
        self.write_to(&mut out)
            .with_context(|| format!("writing {}", path.display()))?;
        out.flush()?;
        Ok(std::fs::metadata(path)?.len())
    }

    fn write_to(&self, out: &mut impl Write) -> Result<()> {
        for (number, (path, entry)) in (1..).zip(&self.0) {
            let bytes = match entry {
                Entry::Bytes(bytes) => bytes.clone(),
                Entry::Link(target) => target.clone().into_bytes(),
                Entry::File(source) => std::fs::read(source)
                    .with_context(|| format!("reading {}", source.display()))?,
                Entry::Directory | Entry::Device { .. } => Vec::new(),
            };
            write_entry(out, number, path, entry, &bytes)?;
        }
        write_entry(out, 0, "TRAILER!!!", &Entry::Bytes(Vec::new()), &[])?;
        Ok(())
    }
}

fn write_entry(
    out: &mut impl Write,
    number: u32,
    path: &str,
    entry: &Entry,
    bytes: &[u8],
) -> io::Result<()> {
    let (mode, links, (major, minor)) = match entry {
        Entry::Directory => (0o040_755, 2, (0, 0)),
        Entry::Bytes(_) | Entry::File(_) => (0o100_755, 1, (0, 0)),
        Entry::Link(_) => (0o120_777, 1, (0, 0)),
        Entry::Device { major, minor } => (0o020_600, 1, (*major, *minor)),
    };
    let size = |length: usize| u32::try_from(length).map_err(io::Error::other);
    let fields = [
        number,
        mode,
        0, // owner
        0, // group
        links,
        0, // time
        size(bytes.len())?,
        0, // device that it is on
        0,
        major,
        minor,
        size(path.len() + 1)?,
        0, // checksum, of another form
    ];
    write!(out, "070701")?;
    for field in fields {
        write!(out, "{field:08x}")?;
    }
    out.write_all(path.as_bytes())?;
    out.write_all(&[0])?;
    // The header has 110 bytes.
    pad(out, 110 + path.len() + 1)?;
    out.write_all(bytes)?;
    pad(out, bytes.len())
}

/// To a multiple of four bytes.
fn pad(out: &mut impl Write, length: usize) -> io::Result<()> {
    out.write_all(&[0; 3][..length.next_multiple_of(4) - length])
}

#[cfg(test)]
mod tests {
    use super::Tree;

    #[test]
    fn every_entry_begins_at_a_multiple_of_four_and_the_trailer_ends_all() {
        let mut tree = Tree::new();
        tree.bytes("/init", "12345");
        let mut out = Vec::new();
        tree.write_to(&mut out).unwrap();
        let text = String::from_utf8_lossy(&out);
        let places: Vec<_> = text.match_indices("070701").map(|(at, _)| at).collect();
        assert!(places.iter().all(|at| at % 4 == 0), "{places:?}");
        let names: Vec<_> = places
            .iter()
            .map(|at| text[at + 110..].split('\0').next().unwrap())
            .collect();
        assert!(names.contains(&"init") && names.contains(&"dev/console"));
        assert_eq!(names.last(), Some(&"TRAILER!!!"));
    }

    #[test]
    fn directories_come_before_what_is_in_them_and_links_are_not_in_the_way() {
        let mut tree = Tree::new();
        tree.bytes("/lib/a/b/c", "");
        let paths: Vec<_> = tree.0.keys().map(String::as_str).collect();
        let place = |path| paths.iter().position(|is| *is == path);
        assert!(place("usr/lib/a/b") < place("usr/lib/a/b/c"));
        assert!(place("usr/lib/a").is_some() && place("lib/a").is_none());
    }
}
