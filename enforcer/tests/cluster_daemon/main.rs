//! The daemon as part of a cluster: a real API server, the rights that `deploy/` gives, real packets.
//! Needs root, the programs of `cargo xtask envtest` and a built BPF object.

#![expect(clippy::unwrap_used, reason = "a test ends at its first surprise")]

#[path = "../common/mod.rs"]
#[allow(dead_code, reason = "each test file uses some of the helpers")]
mod common;

mod away;
mod changes;
mod churn;
mod reports;
mod rights;
mod uninstall;
mod world;
