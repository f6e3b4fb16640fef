//! Debian's kernels: which there are, and one of them unpacked.

use std::cmp::Reverse;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use enforcer_vm::Index;

use super::archive::{Archive, Package};
use super::modules;
use crate::ui;

/// The series that are tested, oldest first; the last one is whatever is newest.
pub(super) const SERIES: [&str; 5] = ["5.10", "6.1", "6.12", "6.18", NEWEST];

/// The name for the newest series that there is.
pub(super) const NEWEST: &str = "newest";

/// How many versions are tried: a mirror may have lost what its lists still have.
const TRIES: usize = 6;

/// A kernel that can be booted.
pub(super) struct Kernel {
    /// Such as `6.12`.
    pub(super) series: String,
    /// Its image.
    pub(super) image: PathBuf,
    /// The directory of its modules, which the index has below `/`.
    pub(super) modules: PathBuf,
    /// What is in there.
    pub(super) index: Index,
}

/// A kernel's package, and what of it must be downloaded.
#[derive(Debug, PartialEq, Eq)]
struct Candidate {
    series: (u32, u32),
    package: Package,
    parts: Vec<String>,
}

/// Gets the newest kernel of a series, which is kept for the next time.
pub(super) fn get(archive: &Archive, cache: &Path, arch: &str, series: &str) -> Result<Kernel> {
    let candidates = candidates(&archive.packages()?, arch, series);
    let Some(first) = candidates.first() else {
        bail!(
            "Debian has no kernel {series} for {arch} any more, in the suites that are looked at"
        );
    };
    let series = format!("{}.{}", first.series.0, first.series.1);
    let mut problems = Vec::new();
    for candidate in candidates.iter().take(TRIES) {
        match unpacked(archive, cache, candidate) {
            Ok(directory) => return open(series, &directory),
            Err(error) => {
                ui::line(format_args!("  trying an older one: {error:#}"));
                problems.push(format!("{error:#}"));
            }
        }
    }
    bail!("no kernel {series} could be had: {}", problems.join("; "))
}

fn open(series: String, directory: &Path) -> Result<Kernel> {
    let index = directory.join("modules.json");
    let text = fs::read(&index).with_context(|| format!("reading {}", index.display()))?;
    Ok(Kernel {
        series,
        image: directory.join("vmlinuz"),
        modules: directory.join("modules"),
        index: serde_json::from_slice(&text).with_context(|| format!("{}", index.display()))?,
    })
}

/// The directory of a kernel, made when it is not there; those of its series that are older go.
fn unpacked(archive: &Archive, cache: &Path, candidate: &Candidate) -> Result<PathBuf> {
    let (major, minor) = candidate.series;
    let prefix = format!("kernel-{major}.{minor}-");
    let directory = cache.join(format!(
        "{prefix}{}-{}",
        candidate.package.name, candidate.package.version.0
    ));
    if directory.join("modules.json").exists() {
        return Ok(directory);
    }
    let scratch = tempfile::tempdir_in(cache).context("making a directory to unpack in")?;
    let parts: Vec<_> = candidate.parts.iter().map(String::as_str).collect();
    archive.fetch(&parts, &candidate.package.version, scratch.path())?;
    for entry in fs::read_dir(cache).context("listing the kept kernels")? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with(&prefix) {
            fs::remove_dir_all(&path).with_context(|| format!("removing {}", path.display()))?;
        }
    }
    let made = tempfile::tempdir_in(cache).context("making a directory for a kernel")?;
    let image = image(scratch.path())?;
    fs::copy(&image, made.path().join("vmlinuz"))
        .with_context(|| format!("copying {}", image.display()))?;
    let index = modules::collect(scratch.path(), &made.path().join("modules"))?;
    let text = serde_json::to_vec(&index).context("writing the index of modules")?;
    fs::write(made.path().join("modules.json"), text).context("writing the index of modules")?;
    fs::rename(made.keep(), &directory)
        .with_context(|| format!("making {}", directory.display()))?;
    Ok(directory)
}

/// Where packages have had it: `/boot/vmlinuz-…`, later beside the modules.
fn image(unpacked: &Path) -> Result<PathBuf> {
    for folder in ["boot", "usr/lib/modules"] {
        let found = modules::files(&unpacked.join(folder))?;
        let image = found.into_iter().find(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name == "vmlinuz" || name.starts_with("vmlinuz-")
        });
        if let Some(image) = image {
            return Ok(image);
        }
    }
    bail!("the package of a kernel has no vmlinuz")
}

/// The kernels of a series, newest first.
fn candidates(packages: &[Package], arch: &str, series: &str) -> Vec<Candidate> {
    let mut all: Vec<_> = packages
        .iter()
        .filter_map(|package| candidate(package, arch))
        .collect();
    all.sort_by_key(|one| {
        // Signed ones first: mirrors keep those longer.
        let unsigned = one.package.name.ends_with("-unsigned");
        Reverse((one.series, one.package.version.clone(), !unsigned))
    });
    let newest = all.first().map(|one| one.series);
    let wanted = if series == NEWEST {
        newest
    } else {
        series
            .split_once('.')
            .and_then(|(major, minor)| Some((major.parse().ok()?, minor.parse().ok()?)))
    };
    all.retain(|one| Some(one.series) == wanted);
    all
}

fn candidate(package: &Package, arch: &str) -> Option<Candidate> {
    let release = package.name.strip_prefix("linux-image-")?;
    let flavour = format!("-cloud-{arch}");
    if !(release.ends_with(&flavour) || release.ends_with(&format!("{flavour}-unsigned"))) {
        return None;
    }
    let mut numbers = release.split(|c: char| !c.is_ascii_digit());
    let series = (numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?);
    // Without a build number it is a package that only names the newest other one.
    numbers.next()?.parse::<u32>().ok()?;
    let split = |kind: &str| {
        let mut names = package.depends.iter();
        names.find(|name| name.starts_with(kind)).cloned()
    };
    let parts = match (split("linux-binary-"), split("linux-modules-")) {
        (Some(binary), Some(modules)) => vec![binary, modules],
        _ => vec![package.name.clone()],
    };
    Some(Candidate {
        series,
        package: package.clone(),
        parts,
    })
}

#[cfg(test)]
mod tests {
    use super::super::version::Version;
    use super::*;

    fn packages() -> Vec<Package> {
        [
            (
                "linux-image-5.10.0-43-cloud-amd64-unsigned",
                "5.10.251-5",
                &[][..],
            ),
            (
                "linux-image-5.10.0-46-cloud-amd64-unsigned",
                "5.10.262-1",
                &[],
            ),
            ("linux-image-5.10.0-46-cloud-amd64", "5.10.262-1", &[]),
            ("linux-image-5.10.0-46-cloud-amd64-dbg", "5.10.262-1", &[]),
            ("linux-image-6.1-cloud-amd64", "6.1.180-1~deb11u1", &[]),
            ("linux-image-cloud-amd64", "6.12.117-1", &[]),
            ("linux-image-6.1.0-56-cloud-amd64", "6.1.192-2", &[]),
            (
                "linux-image-7.3.4+deb13-cloud-amd64",
                "7.3.4-1~bpo13+1",
                &["linux-base-7", "linux-binary-7", "linux-modules-7"],
            ),
        ]
        .map(|(name, version, depends)| Package {
            name: name.to_owned(),
            version: Version(version.to_owned()),
            depends: depends.iter().map(|&name| name.to_owned()).collect(),
        })
        .to_vec()
    }

    fn parts(series: &str) -> Vec<Vec<String>> {
        let all = candidates(&packages(), "amd64", series);
        all.into_iter().map(|one| one.parts).collect()
    }

    #[test]
    fn the_newest_version_of_a_series_comes_first_and_signed_before_unsigned() {
        assert_eq!(
            parts("5.10"),
            [
                ["linux-image-5.10.0-46-cloud-amd64"],
                ["linux-image-5.10.0-46-cloud-amd64-unsigned"],
                ["linux-image-5.10.0-43-cloud-amd64-unsigned"],
            ]
        );
        assert_eq!(parts("6.1"), [["linux-image-6.1.0-56-cloud-amd64"]]);
    }

    #[test]
    fn the_newest_series_needs_no_number_and_its_split_packages_are_found() {
        assert_eq!(parts(NEWEST), [["linux-binary-7", "linux-modules-7"]]);
        assert!(parts("6.19").is_empty());
    }
}
