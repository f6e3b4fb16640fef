//! What can go wrong in a lab.

use std::io;
use std::path::PathBuf;

use nix::errno::Errno;

/// What can go wrong in a lab.
#[derive(Debug, thiserror::Error)]
pub enum LabError {
    /// A file or directory of the lab cannot be made or read.
    #[error("{path}: {source}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A system call failed.
    #[error("{what}: {errno}; a lab needs root")]
    System {
        /// What was tried.
        what: &'static str,
        /// Why.
        errno: Errno,
    },
    /// A socket operation failed.
    #[error("{what}: {source}")]
    Socket {
        /// What was tried.
        what: String,
        /// Why.
        source: io::Error,
    },
    /// A command could not be started.
    #[error("cannot run `{command}`: {source}")]
    Start {
        /// The command line.
        command: String,
        /// Why.
        source: io::Error,
    },
    /// A command failed.
    #[error("`{command}` failed: {output}")]
    Command {
        /// The command line.
        command: String,
        /// What it printed.
        output: String,
    },
    /// The kernel lacks something that was asked for.
    #[error("this kernel has no {0}")]
    Unsupported(&'static str),
}

impl LabError {
    pub(crate) fn file(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        |source| Self::File { path, source }
    }

    pub(crate) fn system(what: &'static str) -> impl FnOnce(Errno) -> Self {
        move |errno| Self::System { what, errno }
    }

    pub(crate) fn socket(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        |source| Self::Socket { what, source }
    }
}
