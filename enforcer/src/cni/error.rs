//! Why the plugin cannot be installed or removed.

use std::io;
use std::path::{Path, PathBuf};

use super::Refused;

/// Why the plugin cannot be installed or removed.
#[derive(Debug, thiserror::Error)]
pub enum CniError {
    /// A file or directory cannot be used.
    #[error("cannot {what} {path}: {source}")]
    File {
        /// What was tried.
        what: &'static str,
        /// With which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// There is nothing to stand behind.
    #[error(
        "no list of CNI plugins in {0}: install a CNI first, or give --conf-dir the directory that \
         the container runtime reads"
    )]
    NoList(PathBuf),
    /// A list cannot be edited.
    #[error("cannot put the plugin into {path}: {source}")]
    Refused {
        /// The list.
        path: PathBuf,
        /// Why.
        source: Refused,
    },
    /// A configuration of one plugin would have to become a list of a name that is taken.
    #[error(
        "{path} and {list} are both there, and the runtime reads the first: remove one of them"
    )]
    Taken {
        /// The configuration.
        path: PathBuf,
        /// The list.
        list: PathBuf,
    },
    /// Somebody else writes the file all the time.
    #[error("{0} changes while it is edited; try again")]
    Unsteady(PathBuf),
}

impl CniError {
    pub(super) fn file(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File { what, path, source }
    }
}
