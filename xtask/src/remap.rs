//! Names for this machine's directories, so that where something was built is not part of it.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::{machine, shell, workspace};

/// Separates flags in `CARGO_ENCODED_RUSTFLAGS`, which lets paths have spaces.
const SEPARATOR: &str = "\x1f";

/// The variable for rustc's flags that goes before all others.
pub(crate) const VARIABLE: &str = "CARGO_ENCODED_RUSTFLAGS";

/// What rustc replaces in file names: the checkout, the target directory and the sources of the
/// crates, which are downloaded first. Where two match, rustc takes the later one.
pub(crate) fn flags() -> Result<Vec<String>> {
    let mut fetch = machine::cargo();
    fetch.args(["fetch", "--locked", "--target", &machine::host()?]);
    shell::quiet(fetch)?;
    let mut flags = both(workspace::root(), "/enforcer");
    flags.extend(both(&workspace::target(), "/enforcer/target"));
    for dir in registries()? {
        flags.extend(both(&dir, "/cargo"));
    }
    Ok(flags)
}

/// Flags for a path and for where it leads: cargo names files by the one, and the debug
/// information has the compiler's working directory by the other.
fn both(path: &Path, to: &str) -> Vec<String> {
    let canonical = path.canonicalize().ok().filter(|real| real != path);
    std::iter::once(path.to_owned())
        .chain(canonical)
        .map(|path| flag(&path, to))
        .collect()
}

/// The same for the sources of the standard library in the toolchain of this `rustc -vV` at
/// `sysroot`: where they are installed, their true path would take the place of this name.
pub(crate) fn standard_library(sysroot: &Path, version: &str) -> Option<String> {
    let commit = version
        .lines()
        .find_map(|line| line.strip_prefix("commit-hash: "))?;
    let sources = sysroot.join("lib/rustlib/src/rust");
    Some(flag(&sources, &format!("/rustc/{commit}")))
}

/// The flags as cargo takes them.
pub(crate) fn encode(flags: &[String]) -> String {
    flags.join(SEPARATOR)
}

fn flag(from: &Path, to: &str) -> String {
    format!("--remap-path-prefix={}={to}", from.display())
}

/// Where cargo unpacks crates: one directory for each registry, with a name that tells the mirror.
fn registries() -> Result<Vec<PathBuf>> {
    let sources = machine::cargo_home()?.join("registry/src");
    let entries = fs::read_dir(&sources)
        .with_context(|| format!("reading {}, where cargo unpacks crates", sources.display()))?;
    let mut dirs = entries
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<Vec<_>>>()?;
    dirs.sort();
    Ok(dirs)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn every_directory_of_this_machine_gets_a_name_that_all_machines_share() {
        let mut names: Vec<_> = flags()
            .unwrap()
            .iter()
            .map(|flag| flag.rsplit_once('=').unwrap().1.to_owned())
            .collect();
        names.dedup();
        assert_eq!(names, ["/enforcer", "/enforcer/target", "/cargo"]);
    }

    #[test]
    fn a_directory_behind_a_link_has_one_name_under_both_paths() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path().canonicalize().unwrap();
        let (real, link) = (root.join("real"), root.join("link"));
        fs::create_dir(&real).unwrap();
        symlink(&real, &link).unwrap();
        assert_eq!(
            both(&link, "/cargo"),
            [flag(&link, "/cargo"), flag(&real, "/cargo")]
        );
        assert_eq!(both(&real, "/cargo"), [flag(&real, "/cargo")]);
    }

    #[test]
    fn the_standard_library_has_the_name_that_its_builders_gave_it() {
        let version = "rustc 1.95.0\ncommit-hash: 5980\nLLVM version: 22.1.2\n";
        assert_eq!(
            standard_library(Path::new("/opt/rust"), version).unwrap(),
            "--remap-path-prefix=/opt/rust/lib/rustlib/src/rust=/rustc/5980"
        );
        assert_eq!(
            standard_library(Path::new("/opt/rust"), "rustc 1.95.0\n"),
            None
        );
    }

    #[test]
    fn flags_with_spaces_stay_whole() {
        let encoded = encode(&["-Clinker=/a b/c".into(), "-Cdebuginfo=2".into()]);
        assert_eq!(encoded, "-Clinker=/a b/c\u{1f}-Cdebuginfo=2");
    }
}
