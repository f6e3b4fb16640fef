//! Policies by `kubectl`, a real API server, and real packets. Needs root, a built BPF object and the
//! programs of `cargo xtask envtest`.
//!
//! Two nodes of a lab have a kubelet each that makes Pods network namespaces, and a daemon each with
//! the rights of the shipped role. All tests share a control plane, one after the other.

#![expect(clippy::unwrap_used, reason = "a test ends at its first surprise")]

mod churn;
#[path = "../common/mod.rs"]
#[allow(dead_code, reason = "each test file uses some of the helpers")]
mod common;
mod connectivity;
mod fleet;
mod judge;
mod latency;
mod load;
mod objects;
mod outage;
mod pending;
mod policies;
#[path = "../common/proxied.rs"]
mod proxied;
mod services;
mod world;
