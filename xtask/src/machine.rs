//! What this machine offers: privileges and the environment that cargo left behind.

use std::env;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use nix::unistd::Uid;

use crate::{shell, workspace};

/// Whether this process is root.
pub(crate) fn is_root() -> bool {
    Uid::effective().is_root()
}

/// The first program of this name in `PATH`.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path)
        .map(|dir| dir.join(program))
        .find(|file| file.is_file())
}

/// A command that runs as root: as it is for root, by sudo otherwise.
///
/// `purpose` completes the sentence "root is needed to …".
pub(crate) fn as_root(program: impl AsRef<OsStr>, purpose: &str) -> Result<Command> {
    if is_root() {
        return Ok(Command::new(program));
    }
    if find("sudo").is_none() {
        bail!("root is needed to {purpose}, and there is no sudo here: run this command as root");
    }
    // Asked for here, in the open, and not below a progress line.
    let asked = Command::new("sudo")
        .arg("--validate")
        .status()
        .context("starting sudo")?;
    if !asked.success() {
        bail!("root is needed to {purpose}, and sudo refused");
    }
    let mut command = Command::new("sudo");
    command.arg("--preserve-env").arg(program.as_ref());
    Ok(command)
}

/// Where tools are kept that took long to build: outside the target directory, so that neither
/// `cargo clean` nor a second checkout builds them again.
pub(crate) fn cache() -> PathBuf {
    let base = env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".cache")))
        .filter(|path| path.is_absolute());
    base.map_or_else(
        || workspace::target().join("tools"),
        |base| base.join("enforcer"),
    )
}

/// The cargo that runs this xtask, at the root of the workspace.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(workspace::root());
    command
}

/// Where cargo keeps what it downloads.
pub(crate) fn cargo_home() -> Result<PathBuf> {
    let set = |name| env::var_os(name).filter(|value| !value.is_empty());
    set("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(set("HOME")?).join(".cargo")))
        .context("neither CARGO_HOME nor HOME is set")
}

/// This machine's target.
pub(crate) fn host() -> Result<String> {
    let mut cargo = cargo();
    cargo.arg("-vV");
    let version = shell::quiet(cargo)?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host
        .context("`cargo -vV` does not tell the host")?
        .to_owned())
}

/// Another cargo at the root of the workspace, without what the outer cargo and rustup left in the
/// environment: their compiler, flags and libraries are not this one's.
pub(crate) fn other_cargo(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(workspace::root());
    for (name, _) in env::vars_os() {
        if name.to_str().is_some_and(belongs_to_outer_cargo) {
            command.env_remove(name);
        }
    }
    command
}

/// Whether a variable tells about the outer cargo's toolchain or build. What tells where the
/// registry is and how to reach it stays.
fn belongs_to_outer_cargo(name: &str) -> bool {
    const KEPT: [&str; 7] = [
        "CARGO_HOME",
        "CARGO_HTTP_",
        "CARGO_NET_",
        "CARGO_REGISTR",
        "CARGO_SOURCE_",
        "CARGO_TERM_",
        "RUSTUP_HOME",
    ];
    const DROPPED: [&str; 5] = ["CARGO", "RUST", "CLIPPY_", "LD_LIBRARY_PATH", "OUT_DIR"];
    DROPPED.iter().any(|prefix| name.starts_with(prefix))
        && !KEPT.iter().any(|prefix| name.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_outer_toolchain_and_its_flags_do_not_reach_the_other_cargo() {
        for name in [
            "CARGO",
            "CARGO_ENCODED_RUSTFLAGS",
            "CARGO_BUILD_RUSTFLAGS",
            "CARGO_TARGET_DIR",
            "CARGO_PKG_NAME",
            "RUSTUP_TOOLCHAIN",
            "RUSTFLAGS",
            "RUSTC_WRAPPER",
            "LD_LIBRARY_PATH",
        ] {
            assert!(belongs_to_outer_cargo(name), "{name}");
        }
    }

    #[test]
    fn the_way_to_the_registry_stays() {
        for name in [
            "PATH",
            "HOME",
            "CARGO_HOME",
            "CARGO_HTTP_PROXY",
            "CARGO_NET_OFFLINE",
        ] {
            assert!(!belongs_to_outer_cargo(name), "{name}");
        }
    }

    #[test]
    fn programs_are_found_by_path() {
        assert!(find("sh").is_some());
        assert_eq!(find("enforcer-no-such-command"), None);
    }
}
