//! Where lines go.

use std::collections::VecDeque;
use std::io::{self, Write as _};
use std::path::PathBuf;

use super::counters::{Count, Counters};
use super::file::RotatedFile;
use super::options::{Options, Target};

/// Why lines cannot be written.
#[derive(Debug, thiserror::Error)]
pub(super) enum SinkError {
    /// Standard output does not take them.
    #[error("cannot write to standard output: {0}")]
    Stdout(#[source] io::Error),
    /// The file does not.
    #[error("cannot {what} {}: {source}", path.display())]
    File {
        /// What was tried.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// A line.
#[derive(Debug)]
pub(super) struct Line {
    /// With its end.
    pub bytes: Vec<u8>,
    /// Whether it is a record's.
    pub is_record: bool,
}

/// Where lines go.
#[derive(Debug)]
pub(super) enum Sink {
    /// Standard output, and how many bytes of the first line it has taken already.
    Stdout(usize),
    /// A file.
    File(RotatedFile),
}

impl Sink {
    pub(super) fn new(options: &Options) -> Self {
        match &options.target {
            Target::Stdout => Self::Stdout(0),
            Target::File(path) => Self::File(RotatedFile::new(
                path.clone(),
                options.max_size,
                options.max_files,
            )),
        }
    }

    /// Takes lines off the front that are written whole. May block.
    pub(super) fn write(
        &mut self,
        lines: &mut VecDeque<Line>,
        counters: &Counters,
    ) -> Result<(), SinkError> {
        match self {
            Self::Stdout(taken) => to_stdout(taken, lines, counters).map_err(SinkError::Stdout),
            Self::File(file) => file.write(lines, counters),
        }
    }
}

/// What was taken of a line stays so: the next attempt goes on behind it.
fn to_stdout(taken: &mut usize, lines: &mut VecDeque<Line>, counters: &Counters) -> io::Result<()> {
    let mut out = io::stdout().lock();
    while let Some(line) = lines.front() {
        while let Some(rest @ [_, ..]) = line.bytes.get(*taken..) {
            match out.write(rest) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => *taken += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        *taken = 0;
        written(lines, 1, counters);
    }
    out.flush()
}

/// So many lines are written.
pub(super) fn written(lines: &mut VecDeque<Line>, count: usize, counters: &Counters) {
    for line in lines.drain(..count.min(lines.len())) {
        counters.raise(Count::Bytes, line.bytes.len() as u64);
        counters.raise(Count::Records, line.is_record.into());
    }
}
