//! Work inside another network namespace.
//!
//! A thread's namespace is a property of the thread. Work therefore runs on a thread of its own that
//! ends with it: no thread of the runtime can ever be left in the wrong namespace.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::thread;

use nix::errno::Errno;
use nix::sched::{CloneFlags, setns};
use nix::sys::statfs::{NSFS_MAGIC, fstatfs};

/// What can go wrong with a network namespace.
#[derive(Debug, thiserror::Error)]
pub enum NetnsError {
    /// The file cannot be opened or looked at.
    #[error("cannot open network namespace {path}: {source}")]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is not (or not yet) a namespace: `ip netns add` makes an empty file first and
    /// mounts the namespace over it a moment later.
    #[error("{0} is not a namespace")]
    NotANamespace(PathBuf),
    /// The namespace cannot be entered.
    #[error("cannot enter network namespace: {0}; is the daemon allowed CAP_SYS_ADMIN?")]
    Enter(#[source] Errno),
    /// No thread could be started.
    #[error("cannot start a thread: {0}")]
    Thread(#[source] io::Error),
}

/// What tells one namespace from another: two files with the same id are the same namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NetnsId {
    /// The device number of the namespace file system.
    pub device: u64,
    /// The inode number, unique among living namespaces.
    pub inode: u64,
}

/// A network namespace that is held open.
#[derive(Debug)]
pub struct Netns {
    file: File,
    id: NetnsId,
}

impl Netns {
    /// Opens a namespace file, such as `/run/netns/NAME` or `/proc/PID/ns/net`.
    pub fn open(path: &Path) -> Result<Self, NetnsError> {
        let failed = |source| NetnsError::Open {
            path: path.to_owned(),
            source,
        };
        let file = File::open(path).map_err(failed)?;
        let kind = fstatfs(&file).map_err(|errno| failed(errno.into()))?;
        if kind.filesystem_type() != NSFS_MAGIC {
            return Err(NetnsError::NotANamespace(path.to_owned()));
        }
        let metadata = file.metadata().map_err(failed)?;
        let id = NetnsId {
            device: metadata.dev(),
            inode: metadata.ino(),
        };
        Ok(Self { file, id })
    }

    /// The namespace of the calling thread.
    pub fn current() -> Result<Self, NetnsError> {
        Self::open(Path::new("/proc/thread-self/ns/net"))
    }

    /// What tells it from others.
    pub fn id(&self) -> NetnsId {
        self.id
    }

    /// Runs `work` inside the namespace and waits for it. What is opened there (a socket) stays
    /// there and may be used from anywhere afterwards.
    pub fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T, NetnsError> {
        thread::scope(|scope| {
            let inside = thread::Builder::new()
                .name("netns".to_owned())
                .spawn_scoped(scope, || {
                    setns(&self.file, CloneFlags::CLONE_NEWNET).map_err(NetnsError::Enter)?;
                    Ok(work())
                })
                .map_err(NetnsError::Thread)?;
            inside
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }
}

impl AsFd for Netns {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ordinary_file_is_not_a_namespace() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert!(matches!(
            Netns::open(file.path()),
            Err(NetnsError::NotANamespace(path)) if path == file.path()
        ));
    }

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let error = Netns::open(Path::new("/nonexistent/pod")).unwrap_err();
        assert!(error.to_string().contains("/nonexistent/pod"), "{error}");
    }

    #[test]
    fn the_current_namespace_is_the_same_however_often_it_is_opened() {
        assert_eq!(
            Netns::current().unwrap().id(),
            Netns::current().unwrap().id()
        );
    }
}
