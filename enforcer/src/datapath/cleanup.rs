//! Removing what a daemon left in force, when none runs.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::attach::{AttachError, Attacher, Hook};

/// Why something stays.
#[derive(Debug, thiserror::Error)]
pub enum CleanupError {
    /// A program cannot be detached.
    #[error(transparent)]
    Attach(#[from] AttachError),
    /// A pin cannot be removed.
    #[error("cannot remove {path}: {source}")]
    Pin {
        /// The file or directory.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

/// Detaches every program of ours from the links of this network namespace and removes all pins
/// below `bpffs`, of daemons of any version. Gives the number of programs.
pub fn cleanup(bpffs: &Path) -> Result<usize, CleanupError> {
    let mut attacher = Attacher::new(Hook::Auto, bpffs)?;
    let count = attacher.attachments()?.len();
    attacher.cleanup()?;
    for pins in entries(bpffs)? {
        if is_of_a_version(&pins) {
            for pin in entries(&pins)? {
                fs::remove_file(&pin).map_err(failed(&pin))?;
            }
            fs::remove_dir(&pins).map_err(failed(&pins))?;
        }
    }
    Ok(count)
}

fn entries(directory: &Path) -> Result<Vec<PathBuf>, CleanupError> {
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(failed(directory))?,
    };
    let paths = entries.map(|entry| entry.map(|entry| entry.path()).map_err(failed(directory)));
    paths.collect()
}

fn is_of_a_version(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str());
    let version = name.and_then(|name| name.strip_prefix('v'));
    version.is_some_and(|version| version.parse::<u32>().is_ok())
}

fn failed(path: &Path) -> impl FnOnce(std::io::Error) -> CleanupError + use<> {
    let path = path.to_owned();
    move |source| CleanupError::Pin { path, source }
}
