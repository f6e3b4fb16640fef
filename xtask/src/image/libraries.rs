//! What is linked in and is no crate of the registry.

use std::process::Command;

use anyhow::{Context, Result};

use super::sbom::{Library, purl};
use crate::setup::apt;
use crate::shell;

/// The libraries of a program for this machine; `rustc` is what the compiler says with `-vV`.
pub(super) fn of_program(rustc: &str) -> Result<Vec<Library>> {
    let std = rust("std", rustc)?;
    let (version, purl) = glibc()?;
    let glibc = Library {
        name: "glibc",
        version,
        purl,
        licence: "LGPL-2.1-or-later",
    };
    let version = answer("cc", &["-dumpfullversion"])?;
    let libgcc = Library {
        name: "libgcc",
        purl: super::sbom::purl("generic/gcc", &version),
        version,
        licence: "GPL-3.0-or-later WITH GCC-exception-3.1",
    };
    Ok(vec![std, glibc, libgcc])
}

/// The libraries of the BPF object.
pub(super) fn of_object(rustc: &str) -> Result<Vec<Library>> {
    Ok(vec![rust("core", rustc)?])
}

fn rust(name: &'static str, rustc: &str) -> Result<Library> {
    let version = release(rustc).context("rustc -vV does not tell its release")?;
    Ok(Library {
        name,
        purl: purl("github/rust-lang/rust", version),
        version: version.to_owned(),
        licence: "MIT OR Apache-2.0",
    })
}

fn release(rustc: &str) -> Option<&str> {
    rustc
        .lines()
        .find_map(|line| line.strip_prefix("release: "))
}

/// The version and package URL of the C library: Debian's own where it is Debian's, because its
/// security fixes do not change the other.
fn glibc() -> Result<(String, String)> {
    if apt::is_here() {
        let version = answer(
            "dpkg-query",
            &["-W", "-f", "${source:Version}", "libc6-dev"],
        )?;
        let purl = purl("deb/debian/glibc", &version);
        return Ok((version, purl));
    }
    let words = answer("getconf", &["GNU_LIBC_VERSION"])?;
    let version = words
        .strip_prefix("glibc ")
        .with_context(|| format!("this machine's C library is not glibc but {words:?}"))?;
    Ok((version.to_owned(), purl("generic/glibc", version)))
}

fn answer(program: &str, arguments: &[&str]) -> Result<String> {
    let mut command = Command::new(program);
    command.args(arguments);
    Ok(shell::quiet(command)?.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_compiler_tells_the_version_of_its_libraries() {
        let libraries = of_object("rustc 1.96.0 (built from a source tarball)\nrelease: 1.96.0\n");
        let core = &libraries.unwrap()[0];
        assert_eq!(core.purl, "pkg:github/rust-lang/rust@1.96.0");
        assert!(of_object("rustc 1.96.0\n").is_err());
    }
}
