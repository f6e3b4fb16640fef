//! Hands the BPF object to the binary: `OUT_DIR/enforcer.bpf.o`.
//!
//! `cargo xtask build-ebpf` puts the object into the target directory. Without one an empty file
//! takes its place, so that checks, lints and unit tests need no BPF toolchain; loading it is an
//! error that says what to run.

use std::env;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

const OBJECT: &str = "enforcer.bpf.o";

fn main() -> Result<(), io::Error> {
    for variable in ["ENFORCER_BPF_OBJECT", "CARGO_TARGET_DIR"] {
        println!("cargo:rerun-if-env-changed={variable}");
    }
    let object = match env::var_os("ENFORCER_BPF_OBJECT") {
        Some(path) => PathBuf::from(path),
        None => default_object()?,
    };
    println!("cargo:rerun-if-changed={}", object.display());
    fs::copy(&object, directory("OUT_DIR")?.join(OBJECT))
        .map_err(|e| io::Error::new(e.kind(), format!("{}: {e}", object.display())))?;
    Ok(())
}

/// The object in the target directory; an empty one is put there when there is none.
fn default_object() -> Result<PathBuf, io::Error> {
    let workspace = directory("CARGO_MANIFEST_DIR")?.join("..");
    let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| "target".into(), PathBuf::from);
    let object = workspace.join(target).join(OBJECT);
    if !object.exists() {
        write_stub(&object)?;
    }
    Ok(object)
}

/// A file that is missing, or younger than this run, would make cargo run this script again at
/// every build: so the stub exists and is old.
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
