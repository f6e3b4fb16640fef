//! bpf-linker, built from its crate against the LLVM of the compiler.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use super::apt;
use crate::{machine, shell, ui};

/// The pinned version.
pub(super) const VERSION: &str = "0.13.0";
/// The LLVM versions that it can be built against.
const SUPPORTED: [u32; 3] = [21, 22, 23];

/// The path of a bpf-linker that reads the bitcode of LLVM `llvm`; it is built when missing.
pub(super) fn ensure(llvm: u32) -> Result<PathBuf> {
    let root = machine::cache().join(format!("bpf-linker-{VERSION}-llvm-{llvm}"));
    let linker = root.join("bin/bpf-linker");
    if !runs(&linker) {
        build(llvm, &root)?;
    }
    Ok(linker)
}

/// Whether it is there and finds its libraries.
fn runs(linker: &Path) -> bool {
    let status = Command::new(linker)
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    status.is_ok_and(|status| status.success())
}

fn build(llvm: u32, root: &Path) -> Result<()> {
    if !SUPPORTED.contains(&llvm) {
        bail!("the BPF compiler uses LLVM {llvm}, but bpf-linker {VERSION} takes {SUPPORTED:?}");
    }
    let prefix = llvm_prefix(llvm)?;
    ui::line(format_args!(
        "  building   {:<24} links the BPF programs",
        "bpf-linker"
    ));
    let mut cargo = machine::cargo();
    cargo
        .args([
            "install",
            "bpf-linker",
            "--version",
            VERSION,
            "--locked",
            "--force",
        ])
        .args([
            "--no-default-features",
            "--features",
            &format!("llvm-{llvm}"),
        ])
        .arg("--root")
        .arg(root)
        .env("LLVM_PREFIX", prefix)
        .env_remove("RUSTFLAGS");
    shell::step(
        &format!("bpf-linker {VERSION} (kept in {})", root.display()),
        cargo,
    )
}

/// Where the development files of that LLVM are, installed first where apt can.
fn llvm_prefix(llvm: u32) -> Result<String> {
    if let Ok(prefix) = env::var("LLVM_PREFIX") {
        return Ok(prefix);
    }
    if apt::is_here() && apt::llvm_prefix(llvm).is_none() {
        let package = match llvm {
            21 => "llvm-21-dev",
            22 => "llvm-22-dev",
            _ => "llvm-23-dev",
        };
        let why = "LLVM, which bpf-linker is linked with";
        apt::ensure(&[apt::Package {
            name: package,
            why,
            at_least: None,
        }])?;
    }
    apt::llvm_prefix(llvm).with_context(|| {
        format!(
            "the development files of LLVM {llvm} are missing (bpf-linker is linked with them): \
             install them and set LLVM_PREFIX to the directory that has bin/llvm-config"
        )
    })
}
