//! Hands the BPF object of the benches to the binary: `OUT_DIR/enforcer-bench.bpf.o`.
//!
//! `cargo xtask bench` puts the object into the target directory. Without one an empty file takes its
//! place, so that checks and lints need no BPF toolchain; measuring is then an error that says what
//! to run.

use std::env;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

const OBJECT: &str = "enforcer-bench.bpf.o";

fn main() -> Result<(), io::Error> {
    println!("cargo:rerun-if-env-changed=CARGO_TARGET_DIR");
    let workspace = directory("CARGO_MANIFEST_DIR")?.join("..");
    let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| "target".into(), PathBuf::from);
    let object = workspace.join(target).join(OBJECT);
    if !object.exists() {
        write_stub(&object)?;
    }
    println!("cargo:rerun-if-changed={}", object.display());
    fs::copy(&object, directory("OUT_DIR")?.join(OBJECT))
        .map_err(|e| io::Error::new(e.kind(), format!("{}: {e}", object.display())))?;
    Ok(())
}

/// Old, because cargo would run this script again for a file that is younger than its last run.
fn write_stub(object: &Path) -> Result<(), io::Error> {
    if let Some(parent) = object.parent() {
        fs::create_dir_all(parent)?;
    }
    File::create(object)?.set_modified(SystemTime::UNIX_EPOCH)
}

fn directory(variable: &str) -> Result<PathBuf, io::Error> {
    env::var_os(variable)
        .map(PathBuf::from)
        .ok_or_else(|| io::Error::other(format!("cargo sets {variable} for build scripts")))
}
