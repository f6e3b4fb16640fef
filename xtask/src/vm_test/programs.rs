//! Programs of the workspace, built for the machines.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use super::arch::Arch;
use crate::setup::apt;
use crate::{build_ebpf, machine, shell, workspace};

/// What building for arm64 needs on another machine.
const CROSS: [apt::Package; 3] = [
    apt::Package {
        name: "gcc-aarch64-linux-gnu",
        why: "links programs for arm64",
        at_least: None,
    },
    apt::Package {
        name: "libc6-dev-arm64-cross",
        why: "the C library for arm64",
        at_least: None,
    },
    apt::Package {
        name: "qemu-system-arm",
        why: "virtual machines with arm64",
        at_least: None,
    },
];

/// Builds a program; for this machine as its tests have it, so that nothing is built twice.
pub(super) fn build(name: &str, arch: Arch) -> Result<PathBuf> {
    let mut folder = workspace::target();
    let mut cargo = machine::cargo();
    cargo.args(["build", "--locked", "--bin", name]);
    if arch.is_this_machines() {
        cargo.args(["--workspace", "--exclude", build_ebpf::PACKAGE]);
        cargo.args(["--exclude", build_ebpf::BENCH_PACKAGE]);
    } else {
        folder = cross(&mut cargo, arch)?;
        cargo.args(["--package", name]);
    }
    shell::step(&format!("{name} ({})", arch.debian()), cargo)?;
    let program = folder.join("debug").join(name);
    program
        .canonicalize()
        .with_context(|| format!("{}", program.display()))
}

/// Makes cargo build programs for another processor, linked with everything: their libraries are not
/// where a machine looks for them. Gives the folder of all profiles.
pub(super) fn cross(cargo: &mut Command, arch: Arch) -> Result<PathBuf> {
    let target = arch.target();
    apt::ensure(&CROSS)?;
    standard_library(target)?;
    // Beside the others, which would wait for each other.
    let folder = workspace::target().join("cross");
    let prefix = format!("CARGO_TARGET_{}", target.to_uppercase().replace('-', "_"));
    cargo
        .arg("--target-dir")
        .arg(&folder)
        .args(["--target", target])
        .env(
            format!("{prefix}_RUSTFLAGS"),
            "-Ctarget-feature=+crt-static",
        )
        .env(format!("{prefix}_LINKER"), arch.linker())
        .env("CARGO_PROFILE_DEV_DEBUG", "none");
    Ok(folder.join(target))
}

/// Rust's standard library for another target, of the toolchain that builds everything here.
fn standard_library(target: &str) -> Result<()> {
    let rustup = machine::find("rustup").with_context(|| {
        format!(
            "Rust's standard library for {target} is installed by rustup, which is missing here"
        )
    })?;
    let mut add = Command::new(rustup);
    add.args(["target", "add", target]);
    shell::quiet(add).map(drop)
}
