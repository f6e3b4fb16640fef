//! Go: whether it is here and new enough.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::{machine, shell};

/// A `go` in the folder of a module.
pub(super) fn command(module: &Path) -> Command {
    let mut go = Command::new("go");
    go.current_dir(module).env("CGO_ENABLED", "0");
    go
}

/// Fails where no Go is that can build the programs: what is needed, and how to get it.
pub(super) fn check(needed: &str, variable: &str) -> Result<()> {
    let advice = format!(
        "install Go {needed} or newer from https://go.dev/dl/ and put its bin folder into PATH, \
         or set {variable} to a folder that has the programs"
    );
    if machine::find("go").is_none() {
        bail!("Go is missing; it builds programs for the tests: {advice}");
    }
    let mut ask = Command::new("go");
    // Outside any module, so that the answer is about the Go that is installed.
    ask.current_dir("/")
        .args(["env", "GOVERSION", "GOTOOLCHAIN"]);
    let answer = shell::quiet(ask)?;
    let mut lines = answer.lines();
    let installed = lines.next().unwrap_or_default();
    let toolchain = lines.next().unwrap_or_default();
    let good = suits(installed, toolchain, needed)
        .with_context(|| format!("`go env GOVERSION` answers `{installed}`: {advice}"))?;
    if !good {
        bail!("{installed} is too old to build programs for the tests: {advice}");
    }
    Ok(())
}

/// Whether an installed Go can build a module that needs `needed`; `None` if a version cannot be
/// read.
fn suits(installed: &str, toolchain: &str, needed: &str) -> Option<bool> {
    let installed = version(installed.strip_prefix("go")?)?;
    // From this version on, Go fetches the newer toolchain that a module asks for, if it may.
    let fetches = installed >= (1, 21) && toolchain != "local" && !toolchain.starts_with("path");
    Some(fetches || installed >= version(needed)?)
}

/// Major and minor number.
fn version(text: &str) -> Option<(u32, u32)> {
    let mut parts = text.split(['.', ' ', '-']);
    let major = parts.next()?.parse().ok()?;
    let minor = parts.next()?;
    let digits = minor.find(|c: char| !c.is_ascii_digit());
    let minor = &minor[..digits.unwrap_or(minor.len())];
    Some((major, minor.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_go_that_is_new_enough_suits() {
        assert_eq!(suits("go1.26.8", "local", "1.26.0"), Some(true));
        assert_eq!(suits("go1.27rc1", "local", "1.26.0"), Some(true));
        assert_eq!(suits("go2.0", "local", "1.26.0"), Some(true));
    }

    #[test]
    fn an_old_go_suits_if_it_may_fetch_a_newer_one() {
        assert_eq!(suits("go1.22.1", "auto", "1.26.0"), Some(true));
        assert_eq!(suits("go1.22.1", "local", "1.26.0"), Some(false));
        assert_eq!(suits("go1.19.8", "", "1.26.0"), Some(false));
    }

    #[test]
    fn a_version_that_cannot_be_read_is_none() {
        assert_eq!(suits("devel +abc", "auto", "1.26.0"), None);
        assert_eq!(suits("", "", "1.26.0"), None);
    }
}
