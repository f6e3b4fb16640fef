//! The directories of labs, and what dead labs left behind.

use std::fs;
use std::path::{Path, PathBuf};
use std::process;

use nix::mount::{MntFlags, umount2};
use tempfile::TempDir;

use crate::LabError;

/// What the name of every lab's directory begins with; the process id follows.
const PREFIX: &str = "enf-lab-";

/// A directory for a lab of this process, removed when dropped, with all mounts below it.
#[derive(Debug)]
pub struct Home(Option<TempDir>);

impl Home {
    /// Makes one and removes those of processes that are gone (killed, or ended by a panic that
    /// aborts).
    pub fn create() -> Result<Self, LabError> {
        let parent = std::env::temp_dir();
        sweep(&parent);
        let home = tempfile::Builder::new()
            .prefix(&format!("{PREFIX}{}-", process::id()))
            .tempdir_in(&parent)
            .map_err(LabError::file(parent))?;
        Ok(Self(Some(home)))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.0.as_ref().map_or(Path::new(""), TempDir::path)
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        if let Some(home) = self.0.take() {
            unmount_below(home.path());
        }
    }
}

fn sweep(parent: &Path) {
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let owner = name
            .to_str()
            .and_then(|name| name.strip_prefix(PREFIX)?.split('-').next())
            .filter(|owner| owner.parse::<u32>().is_ok());
        if owner.is_some_and(|owner| !Path::new("/proc").join(owner).exists()) {
            unmount_below(&entry.path());
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// Unmounts everything below a directory, the latest mount first.
fn unmount_below(directory: &Path) {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let targets = mounts.lines().filter_map(|line| line.split(' ').nth(1));
    let below: Vec<PathBuf> = targets
        .map(PathBuf::from)
        .filter(|target| target.starts_with(directory))
        .collect();
    for target in below.iter().rev() {
        let _ = umount2(target, MntFlags::MNT_DETACH);
    }
}
