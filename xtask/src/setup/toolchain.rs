//! The compiler for the BPF target: Debian's, or rustup's nightly.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::{apt, linker};
use crate::{build_ebpf, machine, remap, shell};

/// Debian builds its `rustc-web` with a ready-made `core` for BPF: no nightly is needed.
pub(super) const DEBIAN: [apt::Package; 4] = [
    apt::Package {
        name: "rustc-web",
        why: "a Rust compiler that knows the BPF target",
        at_least: Some((1, 90)),
    },
    apt::Package {
        name: "cargo-web",
        why: "the cargo of that compiler",
        at_least: Some((1, 90)),
    },
    apt::Package {
        name: "libstd-rust-web-dev-bpf",
        why: "Rust's core library, compiled for BPF",
        at_least: Some((1, 90)),
    },
    apt::Package {
        name: "g++",
        why: "C compiler, linker and the C++ library that LLVM is linked with",
        at_least: None,
    },
];

/// Where Debian's compiler is, whatever comes first in `PATH`.
const DEBIAN_CARGO: &str = "/usr/bin/cargo";
const DEBIAN_CLIPPY: &str = "/usr/bin/cargo-clippy";
const DEBIAN_RUSTC: &str = "/usr/bin/rustc";

/// Which compiler it is.
enum Kind {
    Debian,
    Nightly { rustup: PathBuf },
}

/// A compiler and linker for the BPF target.
pub(crate) struct Toolchain {
    /// For the user to read.
    pub(crate) name: String,
    kind: Kind,
    /// The path of bpf-linker.
    linker: PathBuf,
}

/// Debian's compiler, whose packages are installed.
pub(super) fn debian() -> Toolchain {
    Toolchain {
        name: String::new(),
        kind: Kind::Debian,
        linker: PathBuf::new(),
    }
}

/// rustup's nightly, which must be installed with its sources.
pub(super) fn nightly() -> Result<Toolchain> {
    const HELP: &str = "there is no apt-get here, so the BPF programs are built by rustup's nightly \
        Rust. Run: rustup toolchain install nightly --profile minimal --component rust-src";
    let rustup = machine::find("rustup").context(HELP)?;
    let mut components = Command::new(&rustup);
    components.args(["component", "list", "--installed", "--toolchain", "nightly"]);
    if !shell::quiet(components).context(HELP)?.contains("rust-src") {
        bail!(HELP);
    }
    Ok(Toolchain {
        name: String::new(),
        kind: Kind::Nightly { rustup },
        linker: PathBuf::new(),
    })
}

impl Toolchain {
    /// Adds the linker that goes with the compiler, building it when it is not there yet.
    pub(super) fn with_linker(mut self) -> Result<Self> {
        let version = self.version()?;
        let llvm = llvm_major(&version).context("rustc -vV does not tell its LLVM version")?;
        let rustc = version.lines().next().unwrap_or("rustc").to_owned();
        self.linker = linker::ensure(llvm)?;
        self.name = format!("{rustc}, LLVM {llvm}, bpf-linker {}", linker::VERSION);
        Ok(self)
    }

    /// The compiler's cargo with `verb` for a package, ready for more arguments; it builds for the BPF
    /// target.
    pub(crate) fn cargo(&self, verb: &str, package: &str) -> Result<Command> {
        let mut command = match &self.kind {
            Kind::Debian => {
                // Cargo would look for its verb in rustup's directory first.
                let program = if verb == "clippy" {
                    DEBIAN_CLIPPY
                } else {
                    DEBIAN_CARGO
                };
                let mut cargo = machine::other_cargo(program.as_ref());
                cargo.env("CARGO", DEBIAN_CARGO);
                // aya-ebpf uses a feature of the compiler that is not stable.
                cargo
                    .env("RUSTC", DEBIAN_RUSTC)
                    .env("RUSTC_BOOTSTRAP", "1")
                    .arg(verb);
                cargo
            }
            Kind::Nightly { rustup } => {
                let mut cargo = machine::other_cargo(rustup);
                cargo.args(["run", "nightly", "cargo", verb, "-Z", "build-std=core"]);
                cargo
            }
        };
        let mut flags = vec![
            format!("-Clinker={}", self.linker.display()),
            "-Clink-arg=--btf".to_owned(),
            "-Cdebuginfo=2".to_owned(),
        ];
        // The debug information and BTF name every source file.
        flags.extend(remap::flags()?);
        command
            .env(remap::VARIABLE, remap::encode(&flags))
            .args(["--target", build_ebpf::TARGET])
            .args(["--package", package]);
        Ok(command)
    }

    /// What the compiler says about itself with `-vV`.
    pub(crate) fn version(&self) -> Result<String> {
        let mut rustc = self.rustc();
        rustc.arg("-vV");
        shell::quiet(rustc)
    }

    fn rustc(&self) -> Command {
        match &self.kind {
            Kind::Debian => machine::other_cargo(DEBIAN_RUSTC.as_ref()),
            Kind::Nightly { rustup } => {
                let mut command = machine::other_cargo(rustup);
                command.args(["run", "nightly", "rustc"]);
                command
            }
        }
    }
}

/// `22` of the line `LLVM version: 22.1.8`.
fn llvm_major(rustc_version: &str) -> Option<u32> {
    let version = rustc_version
        .lines()
        .find_map(|line| line.strip_prefix("LLVM version: "))?;
    version.split('.').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_compiler_tells_its_llvm() {
        assert_eq!(
            llvm_major("rustc 1.96.0\nrelease: 1.96.0\nLLVM version: 22.1.8\n"),
            Some(22)
        );
        assert_eq!(llvm_major("rustc 1.96.0\n"), None);
    }
}
