//! Debian packages: which are missing, and their installation.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result, bail};

use crate::{machine, shell, ui};

/// A version's first two numbers, which is all that is ever asked for.
type Version = (u32, u32);

/// A package that something here needs.
#[derive(Clone)]
pub(crate) struct Package {
    /// As apt knows it.
    pub(crate) name: &'static str,
    /// What it is needed for, for the user to read.
    pub(crate) why: &'static str,
    /// The oldest version that will do.
    pub(crate) at_least: Option<Version>,
}

/// Whether the package lists were brought up to date by this run.
static UPDATED: AtomicBool = AtomicBool::new(false);

/// Whether this machine installs packages by apt.
pub(crate) fn is_here() -> bool {
    machine::find("apt-get").is_some() && machine::find("dpkg-query").is_some()
}

/// Installs those packages that are missing or too old. Removes nothing.
pub(crate) fn ensure(packages: &[Package]) -> Result<()> {
    let missing = missing(packages, &installed(packages)?);
    if missing.is_empty() {
        return Ok(());
    }
    let names: Vec<_> = missing.iter().map(|package| package.name).collect();
    let purpose = format!("install {} (apt-get install {0})", names.join(" "));
    let apt = || -> Result<Command> {
        let mut command = machine::as_root("apt-get", &purpose)?;
        command
            .env("DEBIAN_FRONTEND", "noninteractive")
            .arg("--yes");
        Ok(command)
    };
    for package in &missing {
        ui::line(format_args!(
            "  installing {:<24} {}",
            package.name, package.why
        ));
    }
    if !UPDATED.swap(true, Ordering::Relaxed) {
        let mut update = apt()?;
        update.arg("update");
        shell::step("package lists (apt-get update)", update)?;
    }
    let mut install = apt()?;
    install
        .args(["install", "--no-install-recommends", "--no-remove"])
        .args(&names);
    shell::step(&format!("{} Debian packages", names.len()), install)?;
    let still = self::missing(packages, &installed(packages)?);
    if let Some(package) = still.first() {
        bail!(
            "apt has only an old {}: its newer version is in Debian's security suite, \
             which the apt sources of this machine lack (`<release>-security`)",
            package.name
        );
    }
    Ok(())
}

/// The installed ones of these packages with their versions.
fn installed(packages: &[Package]) -> Result<BTreeMap<String, String>> {
    // Exits with 1 when it knows one of them not at all, which is an answer like any other.
    let output = Command::new("dpkg-query")
        .args([
            "--show",
            "--showformat",
            "${Package} ${db:Status-Status} ${Version}\n",
        ])
        .args(packages.iter().map(|package| package.name))
        .output()
        .context("starting dpkg-query")?;
    Ok(parse(&String::from_utf8_lossy(&output.stdout)))
}

fn parse(dpkg: &str) -> BTreeMap<String, String> {
    dpkg.lines()
        .filter_map(|line| {
            let mut words = line.split(' ');
            let (name, status, version) = (words.next()?, words.next()?, words.next()?);
            (status == "installed").then(|| (name.to_owned(), version.to_owned()))
        })
        .collect()
}

fn missing(packages: &[Package], installed: &BTreeMap<String, String>) -> Vec<Package> {
    let good = |package: &&Package| match (installed.get(package.name), package.at_least) {
        (None, _) => false,
        (Some(_), None) => true,
        (Some(version), Some(least)) => major_minor(version).is_some_and(|is| is >= least),
    };
    packages
        .iter()
        .filter(|package| !good(package))
        .cloned()
        .collect()
}

/// `1.96` of `1.96.0+dfsg1-1~deb12u2`; an epoch in front is not looked at.
fn major_minor(version: &str) -> Option<Version> {
    let upstream = version
        .split_once(':')
        .map_or(version, |(_, upstream)| upstream);
    let mut numbers = upstream
        .split(|c: char| !c.is_ascii_digit())
        .map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

/// Where Debian puts LLVM's development files of this major version.
pub(crate) fn llvm_prefix(major: u32) -> Option<String> {
    let prefix = format!("/usr/lib/llvm-{major}");
    Path::new(&prefix)
        .join("bin/llvm-config")
        .exists()
        .then_some(prefix)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUSTC: Package = Package {
        name: "rustc-web",
        why: "",
        at_least: Some((1, 90)),
    };
    const IP: Package = Package {
        name: "iproute2",
        why: "",
        at_least: None,
    };

    fn missing_with(dpkg: &str) -> Vec<&'static str> {
        missing(&[RUSTC, IP], &parse(dpkg))
            .iter()
            .map(|package| package.name)
            .collect()
    }

    #[test]
    fn nothing_is_missing_when_all_is_installed_and_new_enough() {
        let dpkg = "rustc-web installed 1.96.0+dfsg1-1~deb12u2\niproute2 installed 6.1.0-3\n";
        assert!(missing_with(dpkg).is_empty());
    }

    #[test]
    fn a_package_that_is_too_old_is_missing() {
        let dpkg = "rustc-web installed 1.85.0+dfsg3-1~deb12u3\niproute2 installed 6.1.0-3\n";
        assert_eq!(missing_with(dpkg), ["rustc-web"]);
    }

    #[test]
    fn a_removed_package_whose_configuration_stayed_is_missing() {
        let dpkg = "rustc-web installed 1.96.0\niproute2 config-files 6.1.0-3\n";
        assert_eq!(missing_with(dpkg), ["iproute2"]);
    }

    #[test]
    fn without_any_answer_everything_is_missing() {
        assert_eq!(missing_with(""), ["rustc-web", "iproute2"]);
    }

    #[test]
    fn versions_are_read_with_and_without_epoch() {
        assert_eq!(major_minor("1:22.1.8-1~deb12u1"), Some((22, 1)));
        assert_eq!(major_minor("1.96.0+dfsg1-1"), Some((1, 96)));
        assert_eq!(major_minor("unknown"), None);
    }
}
