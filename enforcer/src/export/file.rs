//! A file that is exchanged for another before it is too large.
//!
//! `FILE` is written to; when it is full it becomes `FILE.1`, what that was `FILE.2`, and so on. A file has whole lines
//! only: what a full disk took of one is cut off again. One that somebody moved away is let go.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, ErrorKind, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use super::counters::{Count, Counters};
use super::sink::{Line, SinkError, written};

/// Who may read what is exported: root, and a group that the operator may give the file to.
const MODE: u32 = 0o640;

/// The file.
#[derive(Debug)]
pub(super) struct RotatedFile {
    path: PathBuf,
    /// Bytes at most, but for a single line that is longer.
    max_size: u64,
    /// Earlier files that are kept.
    max_files: u32,
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    file: File,
    size: u64,
}

impl RotatedFile {
    pub(super) fn new(path: PathBuf, max_size: u64, max_files: u32) -> Self {
        Self {
            path,
            max_size,
            max_files,
            open: None,
        }
    }

    /// Takes lines off the front that are written whole; opens the file, whether there are any or not.
    pub(super) fn write(
        &mut self,
        lines: &mut VecDeque<Line>,
        counters: &Counters,
    ) -> Result<(), SinkError> {
        self.look()?;
        loop {
            let max_size = self.max_size;
            let open = self.opened()?;
            let (count, bytes) = fitting(lines, max_size, open.size);
            if count > 0 {
                if let Err(source) = open.append(&bytes) {
                    self.open = None;
                    return Err(failed("write to", &self.path, source));
                }
                written(lines, count, counters);
            }
            if lines.is_empty() {
                return Ok(());
            }
            self.rotate()?;
            counters.raise(Count::Rotations, 1);
        }
    }

    /// Lets a file go that is no longer under its name.
    fn look(&mut self) -> Result<(), SinkError> {
        let Some(open) = &mut self.open else {
            return Ok(());
        };
        let named = match fs::metadata(&self.path) {
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            other => Some(other.map_err(|source| failed("look at", &self.path, source))?),
        };
        let own = open.file.metadata();
        let own = own.map_err(|source| failed("look at", &self.path, source))?;
        if named.is_some_and(|named| is_same(&named, &own)) {
            // Somebody may have emptied it.
            open.size = own.len();
        } else {
            let path = self.path.display();
            tracing::info!(%path, "the file of exported records was moved away; beginning another");
            self.open = None;
        }
        Ok(())
    }

    fn opened(&mut self) -> Result<&mut Open, SinkError> {
        let open = match self.open.take() {
            Some(open) => open,
            None => Open::at(&self.path).map_err(|source| failed("open", &self.path, source))?,
        };
        Ok(self.open.insert(open))
    }

    /// Gives the file the name of the first earlier one, and so on; the oldest goes.
    fn rotate(&mut self) -> Result<(), SinkError> {
        self.open = None;
        let names: Vec<PathBuf> = (0..=self.max_files)
            .map(|number| self.name(number))
            .collect();
        if let [only] = names.as_slice() {
            let removed = fs::remove_file(only);
            return removed.map_err(|source| failed("remove", only, source));
        }
        for pair in names.windows(2).rev() {
            if let [name, older] = pair {
                match fs::rename(name, older) {
                    // Not so many have been needed yet.
                    Err(error) if error.kind() == ErrorKind::NotFound => {}
                    other => other.map_err(|source| failed("rename", name, source))?,
                }
            }
        }
        Ok(())
    }

    fn name(&self, number: u32) -> PathBuf {
        if number == 0 {
            return self.path.clone();
        }
        let mut name = OsString::from(&self.path);
        name.push(format!(".{number}"));
        name.into()
    }
}

impl Open {
    fn at(path: &Path) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        let options = options.read(true).append(true).create(true).mode(MODE);
        let mut file = options.open(path)?;
        let mut size = file.metadata()?.len();
        if size > 0 && !ends_with_line(&mut file)? {
            // Whoever wrote the last line did not come to its end.
            file.write_all(b"\n")?;
            size += 1;
        }
        Ok(Self { file, size })
    }

    /// Writes all of it or, as far as anybody will see, nothing.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self.file.write_all(bytes) {
            Ok(()) => {
                self.size += bytes.len() as u64;
                Ok(())
            }
            Err(error) => {
                // Where cutting fails too, the line that is not whole is ended when the file is opened again.
                let _ = self.file.set_len(self.size);
                Err(error)
            }
        }
    }
}

fn ends_with_line(file: &mut File) -> io::Result<bool> {
    let mut last = [0];
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut last)?;
    Ok(last == *b"\n")
}

/// How many of the first lines have room in a file of this size, and their bytes: a line has always room in an empty
/// one.
fn fitting(lines: &VecDeque<Line>, max_size: u64, mut size: u64) -> (usize, Vec<u8>) {
    let (mut count, mut bytes) = (0, Vec::new());
    for line in lines {
        let length = line.bytes.len() as u64;
        if size > 0 && size + length > max_size {
            break;
        }
        size += length;
        count += 1;
        bytes.extend_from_slice(&line.bytes);
    }
    (count, bytes)
}

fn is_same(one: &Metadata, other: &Metadata) -> bool {
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

fn failed(what: &'static str, path: &Path, source: io::Error) -> SinkError {
    SinkError::File {
        what,
        path: path.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests;
