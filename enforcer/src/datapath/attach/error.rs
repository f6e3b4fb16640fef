//! What can go wrong while attaching.

use std::io;
use std::path::PathBuf;

use aya::pin::PinError;
use aya::programs::ProgramError;
use aya::programs::links::LinkError;
use nix::errno::Errno;

use super::clsact;
use crate::datapath::netlink::NetlinkError;

/// What can go wrong.
#[derive(Debug, thiserror::Error)]
pub enum AttachError {
    /// The link went away.
    #[error("there is no link {0} any more")]
    Gone(u32),
    /// No network namespace can be made to try a hook in.
    #[error("cannot make a network namespace: {0}; is the daemon allowed CAP_SYS_ADMIN?")]
    Namespace(#[source] Errno),
    /// The link's name kept changing while a program was being attached by that name.
    #[error("link {0} kept changing its name")]
    Renamed(u32),
    /// The kernel has no TCX, which was asked for.
    #[error("this kernel has no TCX (Linux 6.6 or newer); use --hook auto or clsact")]
    NoTcx,
    /// Another program's filter is where ours must be.
    #[error(
        "link {ifindex} has a foreign tc filter at priority {}; remove it or use --hook tcx",
        clsact::PRIORITY
    )]
    Occupied {
        /// The link.
        ifindex: u32,
    },
    /// A program cannot be attached or exchanged.
    #[error("cannot attach to link {ifindex}: {source}")]
    Program {
        /// The link.
        ifindex: u32,
        /// Why.
        source: ProgramError,
    },
    /// A BPF link cannot be looked at.
    #[error("cannot read BPF link {path}: {source}")]
    Link {
        /// Its pin.
        path: PathBuf,
        /// Why.
        source: LinkError,
    },
    /// A BPF link cannot be pinned.
    #[error("cannot pin {path}: {source}")]
    Pin {
        /// Its pin.
        path: PathBuf,
        /// Why.
        source: PinError,
    },
    /// The directory of pinned links does not work.
    #[error("{path}: {source}")]
    File {
        /// The file or directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The kernel cannot be asked about qdiscs and filters.
    #[error(transparent)]
    Netlink(#[from] NetlinkError),
}

/// The kernel's error number behind an error of aya, if there is one.
pub(super) fn errno(error: &ProgramError) -> Option<Errno> {
    match error {
        ProgramError::SyscallError(error) => error.io_error.raw_os_error().map(Errno::from_raw),
        _ => None,
    }
}
