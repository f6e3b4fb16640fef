//! The file system in which maps and links outlive the daemon.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use nix::sys::statfs::{BPF_FS_MAGIC, statfs};

/// Where a machine has its BPF file system. It is a directory of sysfs, in which nothing can be
/// created before one is mounted.
const USUAL_PLACE: &str = "/sys/fs/bpf";

/// What can go wrong.
#[derive(Debug, thiserror::Error)]
pub enum BpffsError {
    /// The directory cannot be made.
    #[error("cannot create {path}: {source}")]
    Create {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The directory cannot be looked at.
    #[error("cannot look at {path}: {errno}")]
    Look {
        /// The directory.
        path: PathBuf,
        /// Why.
        errno: Errno,
    },
    /// No BPF file system can be mounted there.
    #[error(
        "cannot mount a BPF file system at {path}: {errno}; mount one with `mount -t bpf bpf {path}`"
    )]
    Mount {
        /// The directory.
        path: PathBuf,
        /// Why.
        errno: Errno,
    },
}

/// Makes sure that `directory` exists and is on a BPF file system; mounts one if it must, at
/// `/sys/fs/bpf` for a directory below that and else at the directory itself. Gives the place where
/// it mounted one.
pub fn ensure(directory: &Path) -> Result<Option<PathBuf>, BpffsError> {
    let usual = Path::new(USUAL_PLACE);
    let mounted = if directory.starts_with(usual) {
        mount_unless_there(usual)?
    } else {
        create(directory)?;
        mount_unless_there(directory)?
    };
    create(directory)?;
    Ok(mounted)
}

fn mount_unless_there(path: &Path) -> Result<Option<PathBuf>, BpffsError> {
    let kind = statfs(path).map_err(|errno| BpffsError::Look {
        path: path.to_owned(),
        errno,
    })?;
    if kind.filesystem_type() == BPF_FS_MAGIC {
        return Ok(None);
    }
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount(Some("bpf"), path, Some("bpf"), flags, Some("mode=0700")).map_err(|errno| {
        BpffsError::Mount {
            path: path.to_owned(),
            errno,
        }
    })?;
    tracing::info!(path = %path.display(), "mounted a BPF file system");
    Ok(Some(path.to_owned()))
}

fn create(directory: &Path) -> Result<(), BpffsError> {
    fs::create_dir_all(directory).map_err(|source| BpffsError::Create {
        path: directory.to_owned(),
        source,
    })
}
