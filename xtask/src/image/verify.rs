//! `cargo xtask image --verify`: builds the same sources once more elsewhere, and compares.

use std::env;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::digest;
use crate::{machine, shell, ui, workspace};

/// Builds a copy of the checkout in another directory, into another target directory, with the
/// crates' sources under another path, and fails when the image differs.
///
/// `directory` holds this build's results. `revision` goes into the labels, because a copy
/// has no history.
pub(super) fn run(directory: &Path, revision: Option<&str>) -> Result<()> {
    let elsewhere = tempfile::Builder::new()
        .prefix("enforcer-elsewhere-")
        .tempdir()
        .context("making a temporary directory")?;
    let root = elsewhere.path();
    let sources = root.join("a copy of the sources");
    copy_checkout(&sources)?;
    let home = root.join("cargo");
    link_cargo_home(&home)?;
    let target = root.join("target");
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo
        .current_dir(&sources)
        .env("CARGO_HOME", &home)
        .env("CARGO_TARGET_DIR", &target)
        .args(["xtask", "--plain", "image"]);
    if let Some(revision) = revision {
        cargo.args(["--revision", revision]);
    }
    shell::step("the same image elsewhere", cargo)?;
    compare(directory, &target.join("image"))?;
    ui::line("  verified   another build in another place gave the same digest");
    Ok(())
}

/// Copies what git knows or would take, as it is now.
fn copy_checkout(to: &Path) -> Result<()> {
    let mut git = Command::new("git");
    git.current_dir(workspace::root()).args([
        "ls-files",
        "--cached",
        "--others",
        "--exclude-standard",
        "-z",
    ]);
    for path in shell::quiet(git)?.split_terminator('\0') {
        let from = workspace::root().join(path);
        // A file that was deleted and not committed.
        if !from.exists() {
            continue;
        }
        let to = to.join(path);
        let parent = to.parent().unwrap_or(&to);
        fs::create_dir_all(parent)
            .and_then(|()| fs::copy(&from, &to))
            .with_context(|| format!("copying {} to {}", from.display(), to.display()))?;
    }
    Ok(())
}

/// A second name for everything in cargo's home, so that nothing is downloaded twice.
fn link_cargo_home(to: &Path) -> Result<()> {
    let home = machine::cargo_home()?;
    fs::create_dir(to).with_context(|| format!("making {}", to.display()))?;
    let entries = fs::read_dir(&home).with_context(|| format!("reading {}", home.display()))?;
    for entry in entries {
        let entry = entry?;
        let link = to.join(entry.file_name());
        symlink(entry.path(), &link).with_context(|| format!("making {}", link.display()))?;
    }
    Ok(())
}

/// Fails with the names of the files that differ.
fn compare(one: &Path, other: &Path) -> Result<()> {
    let digest = |directory: &Path| {
        let path = directory.join(super::DIGEST);
        fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))
    };
    let (here, there) = (digest(one)?, digest(other)?);
    if here == there {
        return Ok(());
    }
    let mut differing = Vec::new();
    let (one, other) = (one.join(super::ROOTFS), other.join(super::ROOTFS));
    for path in files(&one)? {
        let below = path.strip_prefix(&one)?;
        let hash = |path: &Path| fs::read(path).map(|content| digest::hex(&content)).ok();
        if hash(&path) != hash(&other.join(below)) {
            differing.push(below.display().to_string());
        }
    }
    bail!(
        "the image is not reproducible: {} here, {} elsewhere; files that differ: {}",
        here.trim(),
        there.trim(),
        differing.join(", ")
    )
}

/// All files below a directory.
fn files(directory: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut open = vec![directory.to_owned()];
    while let Some(directory) = open.pop() {
        let entries =
            fs::read_dir(&directory).with_context(|| format!("reading {}", directory.display()))?;
        for entry in entries {
            let path = entry?.path();
            if path.is_dir() {
                open.push(path);
            } else {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn results(root: &Path, name: &str, digest: &str, program: &str) -> PathBuf {
        let directory = root.join(name);
        fs::create_dir_all(directory.join(super::super::ROOTFS).join("licenses")).unwrap();
        let files = [
            (super::super::DIGEST.to_owned(), digest),
            (format!("{}/enforcer", super::super::ROOTFS), program),
            (format!("{}/licenses/a", super::super::ROOTFS), "text"),
        ];
        for (path, content) in files {
            fs::write(directory.join(path), content).unwrap();
        }
        directory
    }

    #[test]
    fn what_differs_is_named() {
        let root = tempfile::tempdir().unwrap();
        let one = results(root.path(), "one", "sha256:1\n", "a");
        let same = results(root.path(), "same", "sha256:1\n", "a");
        let other = results(root.path(), "other", "sha256:2\n", "b");
        compare(&one, &same).unwrap();
        let error = compare(&one, &other).unwrap_err().to_string();
        assert!(
            error.ends_with("sha256:2 elsewhere; files that differ: enforcer"),
            "{error}"
        );
    }
}
