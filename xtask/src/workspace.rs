//! Where things are in this checkout.

use std::env;
use std::path::{Path, PathBuf};

/// The directory of the workspace's `Cargo.toml`.
pub(crate) fn root() -> &'static Path {
    // xtask is a direct child of the root.
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap_or(Path::new("."))
}

/// Where cargo puts what it builds.
pub(crate) fn target() -> PathBuf {
    root().join(env::var_os("CARGO_TARGET_DIR").map_or_else(|| "target".into(), PathBuf::from))
}

/// The BPF object that `enforcer/build.rs` takes up.
pub(crate) fn bpf_object() -> PathBuf {
    target().join("enforcer.bpf.o")
}

/// The BPF object for test runs that are told in `cb[0]` by which link a packet came.
pub(crate) fn told_object() -> PathBuf {
    target().join("enforcer-told.bpf.o")
}

/// The BPF object that `enforcer-bench/build.rs` takes up.
pub(crate) fn bench_object() -> PathBuf {
    target().join("enforcer-bench.bpf.o")
}

/// The `enforcer` binary of a profile directory (`debug` or `release`).
pub(crate) fn enforcer(profile: &str) -> PathBuf {
    target().join(profile).join("enforcer")
}
