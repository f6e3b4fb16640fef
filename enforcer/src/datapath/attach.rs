//! Attaches programs to links, in a way that outlives the daemon.
//!
//! TCX where the kernel has it: a BPF link, pinned, whose program is exchanged atomically. Else a
//! filter of the clsact qdisc at a fixed place, which is exchanged atomically too.
//!
//! Both run before everything else on the hook. A program that accepts a packet ends the hook's
//! chain, so one that ran before ours could let packets past every policy. Ours lets a packet through
//! by passing it on, so that all the others still run.

mod clsact;
mod error;
mod tcx;

use std::fs;
use std::io;
use std::path::Path;
use std::thread;

use aya::programs::{SchedClassifier, TcAttachType};
use enforcer_common::abi::Direction;
use nix::sched::{CloneFlags, unshare};

pub use self::error::AttachError;
use super::netlink::Netlink;

/// Which hook to use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Hook {
    /// TCX where the kernel has it, clsact elsewhere.
    #[default]
    Auto,
    /// TCX.
    Tcx,
    /// clsact.
    Clsact,
}

/// The hook that a program is attached to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// TCX.
    Tcx,
    /// clsact.
    Clsact,
}

/// What an attachment did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attached {
    /// Where.
    pub place: Place,
    /// An earlier program of ours was exchanged for this one, without a gap.
    pub replaced: bool,
}

/// The programs of the BPF object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Program {
    /// What a pod sends: tc ingress of its link.
    FromPod,
    /// What a pod receives: tc egress of its link.
    ToPod,
    /// Deferred packets at tc egress of any other link.
    Leaving,
    /// The same for links whose packets have no Ethernet header.
    LeavingBare,
}

impl Program {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::FromPod, Self::ToPod, Self::Leaving, Self::LeavingBare];

    /// Those on the link of a pod.
    pub const POD: [Self; 2] = [Self::FromPod, Self::ToPod];

    /// The one at a hook of a pod's link.
    pub const fn of(hook: Direction) -> Self {
        match hook {
            Direction::Egress => Self::FromPod,
            Direction::Ingress => Self::ToPod,
        }
    }

    /// Its name in the BPF object.
    pub const fn name(self) -> &'static str {
        match self {
            Self::FromPod => "from_pod",
            Self::ToPod => "to_pod",
            Self::Leaving => "leaving",
            Self::LeavingBare => "leaving_bare",
        }
    }

    /// At which of tc's hooks it runs. What a pod sends comes in at the node's side.
    const fn hook(self) -> TcAttachType {
        match self {
            Self::FromPod => TcAttachType::Ingress,
            Self::ToPod | Self::Leaving | Self::LeavingBare => TcAttachType::Egress,
        }
    }
}

/// A program of ours on a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Attachment {
    /// The link.
    pub ifindex: u32,
    /// Which.
    pub program: Program,
    /// Where.
    pub place: Place,
}

/// Attaches and detaches. Use it in the namespace of the links.
#[derive(Debug)]
pub struct Attacher {
    hook: Hook,
    pins: tcx::Pins,
    netlink: Netlink,
}

impl Attacher {
    /// Links are pinned below `bpffs`, a directory on a BPF file system (see [`super::bpffs`]).
    pub fn new(hook: Hook, bpffs: &Path) -> Result<Self, AttachError> {
        Ok(Self {
            hook,
            pins: tcx::Pins::below(bpffs)?,
            netlink: Netlink::open()?,
        })
    }

    /// Attaches a loaded program to a link, in the place of an earlier one. It stays when the
    /// program is dropped and when the process ends. An earlier one at the other hook (the daemon
    /// was started with another [`Hook`]) is removed afterwards, so there is no gap.
    pub fn attach(
        &mut self,
        loaded: &mut SchedClassifier,
        ifindex: u32,
        program: Program,
    ) -> Result<Attached, AttachError> {
        match self.hook {
            Hook::Clsact => self.attach_clsact(loaded, ifindex, program),
            Hook::Tcx => self.attach_tcx(loaded, ifindex, program),
            Hook::Auto => match self.attach_tcx(loaded, ifindex, program) {
                Err(AttachError::NoTcx) => {
                    let attached = self.attach_clsact(loaded, ifindex, program)?;
                    tracing::info!("this kernel has no TCX; using clsact");
                    self.hook = Hook::Clsact;
                    Ok(attached)
                }
                outcome => outcome,
            },
        }
    }

    fn attach_tcx(
        &self,
        loaded: &mut SchedClassifier,
        ifindex: u32,
        program: Program,
    ) -> Result<Attached, AttachError> {
        let replaced = self.pins.attach(loaded, ifindex, program)?;
        let moved = clsact::detach(&self.netlink, ifindex, program)?;
        Ok(Attached {
            place: Place::Tcx,
            replaced: replaced || moved,
        })
    }

    fn attach_clsact(
        &self,
        loaded: &SchedClassifier,
        ifindex: u32,
        program: Program,
    ) -> Result<Attached, AttachError> {
        let replaced = clsact::attach(&self.netlink, loaded, ifindex, program)?;
        let moved = self.pins.detach(ifindex, program)?;
        Ok(Attached {
            place: Place::Clsact,
            replaced: replaced || moved,
        })
    }

    /// Removes our program from a link; says whether there was one. A clsact qdisc stays even if we
    /// made it: an empty one costs nothing, goes with the link, and another program may have come to
    /// rely on it between a look and the removal.
    pub fn detach(&mut self, ifindex: u32, program: Program) -> Result<bool, AttachError> {
        let tcx = self.pins.detach(ifindex, program)?;
        let clsact = clsact::detach(&self.netlink, ifindex, program)?;
        Ok(tcx || clsact)
    }

    /// Every program of ours that is attached, also by an earlier daemon; sorted. Pins of links
    /// that are gone are removed by the way.
    pub fn attachments(&self) -> Result<Vec<Attachment>, AttachError> {
        let mut all = self.pins.attachments()?;
        all.extend(clsact::attachments(&self.netlink)?);
        all.sort();
        Ok(all)
    }

    /// Removes every program of ours, and the directory of pins.
    pub fn cleanup(&mut self) -> Result<(), AttachError> {
        for attachment in self.attachments()? {
            self.detach(attachment.ifindex, attachment.program)?;
        }
        self.pins.remove()
    }
}

/// The link that every network namespace begins with.
const LOOPBACK: u32 = 1;

/// Attaches a program to a link of a network namespace that is made for this and goes with it, and says
/// where.
pub fn try_out(hook: Hook, loaded: &mut SchedClassifier) -> Result<Place, AttachError> {
    thread::scope(|scope| {
        let inside = scope.spawn(|| {
            unshare(CloneFlags::CLONE_NEWNET).map_err(AttachError::Namespace)?;
            let netlink = Netlink::open()?;
            let which = Program::FromPod;
            let tcx = match hook {
                Hook::Clsact => Err(AttachError::NoTcx),
                Hook::Auto | Hook::Tcx => tcx::create(loaded, LOOPBACK, which),
            };
            match tcx {
                Err(AttachError::NoTcx) if hook != Hook::Tcx => {
                    clsact::attach(&netlink, loaded, LOOPBACK, which)?;
                    Ok(Place::Clsact)
                }
                tcx => tcx.map(|_| Place::Tcx),
            }
        });
        inside
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// The name that a link has at this moment.
fn name_of(ifindex: u32) -> Result<String, AttachError> {
    match nix::net::if_::if_indextoname(ifindex) {
        // nix takes the null pointer that says "no such link" for an empty name.
        Ok(name) if !name.is_empty() => Ok(name.to_string_lossy().into_owned()),
        _ => Err(AttachError::Gone(ifindex)),
    }
}

fn remove_file(path: &Path) -> Result<(), AttachError> {
    match fs::remove_file(path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => Err(AttachError::File {
            path: path.to_owned(),
            source,
        }),
        _ => Ok(()),
    }
}
