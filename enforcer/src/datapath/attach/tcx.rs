//! TCX: BPF links, pinned one file each.

use std::fs;
use std::io;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

use aya::programs::links::{FdLink, LinkError, LinkOrder, PinnedLink};
use aya::programs::tc::{SchedClassifierLink, TcAttachOptions};
use aya::programs::{MultiProgLink, ProgramError, SchedClassifier};
use nix::errno::Errno;

use super::error::errno;
use super::{AttachError, Attachment, Place, Program, name_of, remove_file};

/// How often an attachment by name is tried when the name changes meanwhile.
const ATTEMPTS: usize = 3;

/// The directory of pinned links: `links/<ifindex>-<program>`.
#[derive(Debug)]
pub(super) struct Pins(PathBuf);

impl Pins {
    pub(super) fn below(bpffs: &Path) -> Result<Self, AttachError> {
        let path = bpffs.join("links");
        match fs::create_dir_all(&path) {
            Ok(()) => Ok(Self(path)),
            Err(source) => Err(AttachError::File { path, source }),
        }
    }

    fn path(&self, ifindex: u32, program: Program) -> PathBuf {
        self.0.join(format!("{ifindex}-{}", program.name()))
    }

    /// Attaches, or exchanges the program of the pinned link if that is alive; says which.
    pub(super) fn attach(
        &self,
        loaded: &mut SchedClassifier,
        ifindex: u32,
        program: Program,
    ) -> Result<bool, AttachError> {
        let pin = self.path(ifindex, program);
        if let Some(link) = open(&pin, ifindex)? {
            match exchange(loaded, link) {
                // The link's device went away just now; another may have its index already.
                Err(error) if errno(&error) == Some(Errno::ENOLINK) => {}
                Err(source) => return Err(AttachError::Program { ifindex, source }),
                Ok(()) => return Ok(true),
            }
        }
        remove_file(&pin)?;
        let link = create(loaded, ifindex, program)?;
        let pinned = FdLink::try_from(link)
            .map_err(|source| AttachError::Link {
                path: pin.clone(),
                source,
            })?
            .pin(&pin);
        match pinned {
            Ok(_) => Ok(false),
            Err(source) => Err(AttachError::Pin { path: pin, source }),
        }
    }

    /// Says whether there was a living link.
    pub(super) fn detach(&self, ifindex: u32, program: Program) -> Result<bool, AttachError> {
        let pin = self.path(ifindex, program);
        // Held open, so that the last reference goes with this function: the kernel then detaches
        // before it returns, and not some time later.
        let link = open(&pin, ifindex)?;
        remove_file(&pin)?;
        Ok(link.is_some())
    }

    /// The living links; pins of dead ones are removed.
    pub(super) fn attachments(&self) -> Result<Vec<Attachment>, AttachError> {
        let failed = |source| AttachError::File {
            path: self.0.clone(),
            source,
        };
        let mut living = Vec::new();
        let entries = match fs::read_dir(&self.0) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(living),
            entries => entries.map_err(failed)?,
        };
        for entry in entries {
            let path = entry.map_err(failed)?.path();
            let Some((ifindex, program)) = parse(&path) else {
                continue;
            };
            if open(&path, ifindex)?.is_some() {
                living.push(Attachment {
                    ifindex,
                    program,
                    place: Place::Tcx,
                });
            } else {
                remove_file(&path)?;
            }
        }
        Ok(living)
    }

    /// Removes the directory.
    pub(super) fn remove(&self) -> Result<(), AttachError> {
        match fs::remove_dir(&self.0) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => Err(AttachError::File {
                path: self.0.clone(),
                source,
            }),
            _ => Ok(()),
        }
    }
}

fn parse(path: &Path) -> Option<(u32, Program)> {
    let (ifindex, name) = path.file_name()?.to_str()?.split_once('-')?;
    let program = Program::ALL
        .into_iter()
        .find(|program| program.name() == name)?;
    Some((ifindex.parse().ok()?, program))
}

/// The pinned link, unless it is not there, of another kind, or not (any longer) on this device.
fn open(pin: &Path, ifindex: u32) -> Result<Option<SchedClassifierLink>, AttachError> {
    let failed = |source| AttachError::Link {
        path: pin.to_owned(),
        source,
    };
    let pinned = match PinnedLink::from_pin(pin) {
        Ok(pinned) => pinned,
        Err(LinkError::SyscallError(error)) if error.io_error.kind() == io::ErrorKind::NotFound => {
            return Ok(None);
        }
        Err(error) => return Err(failed(error)),
    };
    match SchedClassifierLink::try_from(FdLink::from(pinned)) {
        Ok(link) if device(&link).map_err(failed)? == Some(ifindex) => Ok(Some(link)),
        Ok(_) | Err(LinkError::InvalidLink) => Ok(None),
        Err(error) => Err(failed(error)),
    }
}

/// The index of the device that a link is on. aya does not tell it, but the kernel does.
fn device(link: &SchedClassifierLink) -> Result<Option<u32>, LinkError> {
    let path = format!("/proc/self/fdinfo/{}", link.fd()?.as_raw_fd());
    let info = fs::read_to_string(path).unwrap_or_default();
    Ok(info
        .lines()
        .find_map(|line| line.strip_prefix("ifindex:")?.trim().parse().ok())
        .filter(|ifindex| *ifindex != 0))
}

fn exchange(loaded: &mut SchedClassifier, link: SchedClassifierLink) -> Result<(), ProgramError> {
    let id = loaded.attach_to_link(link)?;
    // Out of the program's keeping. What is dropped here is a descriptor; the pin keeps the link.
    loaded.take_link(id).map(drop)
}

/// A new link, not pinned yet. aya takes names only, and a name may move to another device between
/// two system calls: the link itself says where it came to be.
pub(super) fn create(
    loaded: &mut SchedClassifier,
    ifindex: u32,
    program: Program,
) -> Result<SchedClassifierLink, AttachError> {
    let failed = |source| AttachError::Program { ifindex, source };
    for _ in 0..ATTEMPTS {
        let name = name_of(ifindex)?;
        let options = TcAttachOptions::TcxOrder(LinkOrder::first());
        let id = match loaded.attach_with_options(&name, program.hook(), options) {
            Ok(id) => id,
            // The name is gone; the next round finds the new one, or no device.
            Err(ProgramError::TcError(_)) => continue,
            Err(error) => match errno(&error) {
                Some(Errno::ENODEV) => continue,
                Some(Errno::EINVAL | Errno::E2BIG | Errno::EOPNOTSUPP) => {
                    return Err(AttachError::NoTcx);
                }
                _ => return Err(failed(error)),
            },
        };
        let link = loaded.take_link(id).map_err(failed)?;
        if device(&link).ok().flatten() == Some(ifindex) {
            return Ok(link);
        }
    }
    name_of(ifindex)?;
    Err(AttachError::Renamed(ifindex))
}
