//! What goes into the image, and which state of the sources it is.

use std::env;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::build::{self, Build};
use super::parts::{self, PackageId};
use super::sbom::{self, Linked, Materials};
use super::tree::Tree;
use super::{BILL, PROGRAMS, digest, libraries, licences};
use crate::setup::Toolchain;
use crate::{build_ebpf, machine, shell, ui, workspace};

/// The workspace's version.
pub(super) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The name of the BPF programs in the bill of materials.
const OBJECT: &str = "enforcer.bpf.o";

/// Licence texts that are part of this repository, by their path in the image.
const OWN_LICENCES: [(&str, &str); 4] = [
    ("licenses/enforcer/LICENSE", "LICENSE"),
    (
        "licenses/enforcer-ebpf/LICENSE.md",
        "enforcer-ebpf/LICENSE.md",
    ),
    (
        "licenses/enforcer-ebpf/LICENSE-MIT",
        "enforcer-ebpf/LICENSE-MIT",
    ),
    (
        "licenses/enforcer-ebpf/LICENSE-GPL-2.0",
        "enforcer-ebpf/LICENSE-GPL-2.0",
    ),
];

/// Where Debian has the C library's licences.
const GLIBC_LICENCES: &str = "/usr/share/doc/libc6-dev/copyright";

/// Which state of the sources is built.
pub(super) struct Source {
    /// The commit, where it is known.
    pub(super) revision: Option<String>,
    /// The time of everything in the image, in seconds since 1970.
    pub(super) epoch: u64,
}

impl Source {
    /// Takes the revision from git where it is not given, and the time from `SOURCE_DATE_EPOCH`.
    pub(super) fn new(revision: Option<String>) -> Result<Self> {
        Ok(Self {
            revision: revision
                .filter(|revision| !revision.is_empty())
                .or_else(git_revision),
            epoch: epoch(env::var("SOURCE_DATE_EPOCH").ok().as_deref())?,
        })
    }

    /// The time as RFC 3339 writes it.
    pub(super) fn created(&self) -> Result<String> {
        let second = i64::try_from(self.epoch).context("SOURCE_DATE_EPOCH is too large")?;
        let time = jiff::Timestamp::from_second(second).context("SOURCE_DATE_EPOCH")?;
        Ok(time.to_string())
    }
}

/// `0` where nobody asks for another time: a time would make each image another one.
fn epoch(variable: Option<&str>) -> Result<u64> {
    let Some(text) = variable.filter(|text| !text.is_empty()) else {
        return Ok(0);
    };
    match text.parse() {
        Ok(seconds) => Ok(seconds),
        Err(_) => bail!("SOURCE_DATE_EPOCH is {text:?}, and must be seconds since 1970"),
    }
}

/// The commit of the checkout; `-dirty` says that it is not quite that.
fn git_revision() -> Option<String> {
    let git = |words: &[&str]| {
        let mut git = Command::new("git");
        git.current_dir(workspace::root()).args(words);
        shell::quiet(git).ok()
    };
    let commit = git(&["rev-parse", "HEAD"])?.trim().to_owned();
    let clean = git(&["status", "--porcelain"])?.is_empty();
    Some(if clean { commit } else { commit + "-dirty" })
}

/// All files of the image.
pub(super) fn tree(build: &Build, toolchain: &Toolchain) -> Result<Tree> {
    let mut tree = Tree::default();
    for &program in PROGRAMS {
        tree.program(program, &build.program(program))?;
    }
    for (path, from) in OWN_LICENCES {
        tree.text_file(path, &workspace::root().join(from))?;
    }
    if Path::new(GLIBC_LICENCES).exists() {
        tree.text_file("licenses/glibc.txt", GLIBC_LICENCES.as_ref())?;
    } else {
        ui::line("  no licence text of the C library is here to be put into the image");
    }
    bill(build, toolchain, &mut tree)?;
    Ok(tree)
}

/// Adds the bill of materials, and the licences of those crates that it lists.
fn bill(build: &Build, toolchain: &Toolchain, tree: &mut Tree) -> Result<()> {
    let mut crates = parts::linked(&build.messages, &build.target)?;
    crates.extend(parts::linked(
        &build_ebpf::messages(toolchain)?,
        build_ebpf::TARGET,
    )?);
    let metadata = metadata(&build.target)?;
    let lock = workspace::root().join("Cargo.lock");
    let lock = fs::read_to_string(&lock).with_context(|| format!("reading {}", lock.display()))?;
    let parts = parts::parts(&metadata, &lock, &crates);
    if let Some(unknown) = crates.iter().find(|id| !parts.contains_key(*id)) {
        bail!("`cargo metadata` does not know {unknown}, which was linked");
    }
    let rustc = build::rustc(&["-vV"])?;
    let package = |name: &str| own_package(&metadata, name);
    let mut linked = vec![Linked {
        name: OBJECT.to_owned(),
        sha256: sha256(&workspace::bpf_object())?,
        package: package("enforcer-ebpf")?,
        libraries: libraries::of_object(&toolchain.version()?)?,
        holds: Vec::new(),
    }];
    for &program in PROGRAMS {
        let holds = (program == "enforcer").then(|| OBJECT.to_owned());
        linked.push(Linked {
            name: format!("/{program}"),
            sha256: sha256(&build.program(program))?,
            package: package(program)?,
            libraries: libraries::of_program(&rustc)?,
            holds: holds.into_iter().collect(),
        });
    }
    let bill = sbom::cyclonedx(&Materials {
        version: VERSION,
        parts: &parts,
        linked: &linked,
    })?;
    tree.text(BILL, bill);
    let texts = licences::third_party(parts.values())?;
    tree.text("licenses/third-party.txt", texts);
    Ok(())
}

fn metadata(target: &str) -> Result<Value> {
    let mut cargo = machine::cargo();
    cargo
        .args(["metadata", "--locked", "--format-version", "1"])
        .args(["--filter-platform", target])
        .args(["--filter-platform", build_ebpf::TARGET]);
    serde_json::from_str(&shell::quiet(cargo)?).context("`cargo metadata` did not answer JSON")
}

/// Cargo's name for a package of the workspace.
fn own_package(metadata: &Value, name: &str) -> Result<PackageId> {
    let packages = metadata["packages"].as_array().context("no packages")?;
    let package = packages
        .iter()
        .find(|package| package["name"] == name && package["source"].is_null())
        .with_context(|| format!("this workspace has no package {name}"))?;
    Ok(package["id"].as_str().unwrap_or_default().to_owned())
}

fn sha256(path: &Path) -> Result<String> {
    let content = fs::read(path).with_context(|| format!("reading {}", path.display()))?;
    Ok(digest::hex(&content))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn created(epoch: u64) -> String {
        let source = Source {
            revision: None,
            epoch,
        };
        source.created().unwrap()
    }

    #[test]
    fn without_source_date_epoch_everything_is_from_1970() {
        assert_eq!(epoch(None).unwrap(), 0);
        assert_eq!(created(0), "1970-01-01T00:00:00Z");
    }

    #[test]
    fn source_date_epoch_is_the_time_of_everything() {
        let epoch = epoch(Some("1700000000")).unwrap();
        assert_eq!(created(epoch), "2023-11-14T22:13:20Z");
    }

    #[test]
    fn what_is_no_time_is_refused_by_name() {
        let error = epoch(Some("yesterday")).unwrap_err().to_string();
        assert!(error.contains("SOURCE_DATE_EPOCH"), "{error}");
    }
}
