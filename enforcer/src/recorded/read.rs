//! Records as `enforcer flows --output json` writes them.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

use enforcer_flows::Record;

use super::log::Log;

/// Why records cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// There is no such file, or it cannot be read.
    #[error("cannot read {path}: {source}")]
    File {
        /// Which one.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A line is no record.
    #[error(
        "{path}:{line}: no flow record: {source}; write them with `enforcer flows --output json`"
    )]
    Line {
        /// Of which file.
        path: PathBuf,
        /// Its number, from 1.
        line: usize,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
}

/// Reads a file, standard input for `-`.
///
/// # Errors
/// When it cannot be read, or holds anything but records.
pub fn read_file(path: &Path) -> Result<Log, ReadError> {
    if path.as_os_str() == "-" {
        return read(path, io::stdin().lock());
    }
    let file = File::open(path).and_then(|file| {
        if file.metadata()?.is_dir() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        Ok(file)
    });
    let file = file.map_err(|source| ReadError::File {
        path: path.to_owned(),
        source,
    })?;
    read(path, BufReader::with_capacity(1 << 16, file))
}

/// Reads lines, which are called those of `path`; empty ones are passed over.
///
/// # Errors
/// As [`read_file`].
pub fn read(path: &Path, mut input: impl BufRead) -> Result<Log, ReadError> {
    let mut log = Log::default();
    let mut text = Vec::new();
    for line in 1.. {
        text.clear();
        let read = input.read_until(b'\n', &mut text);
        let read = read.map_err(|source| ReadError::File {
            path: path.to_owned(),
            source,
        })?;
        if read == 0 {
            break;
        }
        if text.trim_ascii().is_empty() {
            continue;
        }
        let record: Record = serde_json::from_slice(&text).map_err(|source| ReadError::Line {
            path: path.to_owned(),
            line,
            source,
        })?;
        log.take(&record);
    }
    Ok(log)
}
