//! The processors that machines may have.

use std::env::consts;

/// A processor architecture, by Debian's name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Arch {
    /// x86-64.
    #[default]
    Amd64,
    /// `AArch64`.
    Arm64,
}

impl Arch {
    /// Its name in package lists.
    pub(super) const fn debian(self) -> &'static str {
        match self {
            Self::Amd64 => "amd64",
            Self::Arm64 => "arm64",
        }
    }

    /// The target that programs for it are built for.
    pub(super) const fn target(self) -> &'static str {
        match self {
            Self::Amd64 => "x86_64-unknown-linux-gnu",
            Self::Arm64 => "aarch64-unknown-linux-gnu",
        }
    }

    /// What links them.
    pub(super) const fn linker(self) -> &'static str {
        match self {
            Self::Amd64 => "x86_64-linux-gnu-gcc",
            Self::Arm64 => "aarch64-linux-gnu-gcc",
        }
    }

    /// What takes symbols away.
    pub(super) const fn strip(self) -> &'static str {
        match self {
            Self::Amd64 => "x86_64-linux-gnu-strip",
            Self::Arm64 => "aarch64-linux-gnu-strip",
        }
    }

    pub(super) const fn emulator(self) -> &'static str {
        match self {
            Self::Amd64 => "qemu-system-x86_64",
            Self::Arm64 => "qemu-system-aarch64",
        }
    }

    pub(super) const fn machine(self) -> &'static [&'static str] {
        match self {
            Self::Amd64 => &["-machine", "q35"],
            Self::Arm64 => &["-machine", "virt"],
        }
    }

    /// The first serial line, as Linux calls it.
    pub(super) const fn console(self) -> &'static str {
        match self {
            Self::Amd64 => "ttyS0",
            Self::Arm64 => "ttyAMA0",
        }
    }

    pub(super) fn is_this_machines(self) -> bool {
        match self {
            Self::Amd64 => consts::ARCH == "x86_64",
            Self::Arm64 => consts::ARCH == "aarch64",
        }
    }
}
