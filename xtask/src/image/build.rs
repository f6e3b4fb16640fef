//! The static release build: one file that needs nothing of the machine it runs on.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use object::LittleEndian;
use object::elf::{FileHeader64, PT_INTERP};
use object::read::elf::{ElfFile, ProgramHeader};

use crate::{machine, remap, shell, workspace};

/// Settings that would make another binary of the same sources, and so must not come from outside.
const PROFILE: &str = "CARGO_PROFILE_RELEASE_";

/// What was built.
pub(super) struct Build {
    /// Where the programs are.
    directory: PathBuf,
    /// The target triple.
    pub(super) target: String,
    /// What cargo says about everything that is in them, as JSON.
    pub(super) messages: String,
}

impl Build {
    /// The path of a program.
    pub(super) fn program(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }
}

/// Builds the packages of these names, each a program of the same name.
pub(super) fn programs(packages: &[&str]) -> Result<Build> {
    let target = machine::host()?;
    let flags = flags()?;
    shell::step(
        "programs (release, static)",
        cargo(packages, &target, &flags),
    )?;
    // Once more, now that nothing is left to build, for the list of what is in it.
    let mut list = cargo(packages, &target, &flags);
    list.args(["--message-format", "json"]);
    let build = Build {
        directory: workspace::target().join(&target).join("release"),
        messages: shell::quiet(list)?,
        target,
    };
    for name in packages {
        assert_static(&build.program(name))?;
    }
    Ok(build)
}

fn cargo(packages: &[&str], target: &str, flags: &str) -> Command {
    let mut cargo = machine::cargo();
    for (name, _) in env::vars_os() {
        if name.to_str().is_some_and(|name| name.starts_with(PROFILE)) {
            cargo.env_remove(name);
        }
    }
    cargo
        .env(remap::VARIABLE, flags)
        .env("CARGO_INCREMENTAL", "0")
        .args(["build", "--locked", "--release", "--target", target]);
    for package in packages {
        cargo.args(["--package", package]);
    }
    cargo
}

fn flags() -> Result<String> {
    let mut flags = vec!["-Ctarget-feature=+crt-static".to_owned()];
    flags.extend(remap::flags()?);
    let sysroot = rustc(&["--print", "sysroot"])?;
    flags.extend(remap::standard_library(
        Path::new(sysroot.trim()),
        &rustc(&["-vV"])?,
    ));
    Ok(remap::encode(&flags))
}

/// What the compiler that cargo uses says about itself.
pub(super) fn rustc(arguments: &[&str]) -> Result<String> {
    let mut rustc = Command::new(env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
    rustc.current_dir(workspace::root()).args(arguments);
    shell::quiet(rustc)
}

/// In an empty image nobody is there to load a shared library.
fn assert_static(program: &Path) -> Result<()> {
    let content = fs::read(program).with_context(|| format!("reading {}", program.display()))?;
    if needs_loader(&content).with_context(|| format!("reading {}", program.display()))? {
        bail!(
            "{} needs shared libraries: a dependency must have brought one; `ldd` names it",
            program.display()
        );
    }
    Ok(())
}

fn needs_loader(elf: &[u8]) -> Result<bool> {
    let file = ElfFile::<FileHeader64<LittleEndian>>::parse(elf).context("this is no program")?;
    Ok(file
        .elf_program_headers()
        .iter()
        .any(|header| header.p_type(file.endian()) == PT_INTERP))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_needs_shared_libraries_is_refused() {
        // This test is one.
        let own = env::current_exe().unwrap();
        let error = assert_static(&own).unwrap_err().to_string();
        assert!(error.contains("shared libraries"), "{error}");
    }

    #[test]
    fn what_is_no_program_is_refused() {
        assert!(needs_loader(b"#!/bin/sh\n").is_err());
    }
}
