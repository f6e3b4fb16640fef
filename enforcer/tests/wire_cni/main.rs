//! Pods whose start is held by the CNI plugin, with the real plugins before it. Needs root, a built
//! BPF object and the CNI plugins of the package containernetworking-plugins.

#![expect(clippy::unwrap_used, reason = "a test ends at its first surprise")]

#[path = "../common/mod.rs"]
#[allow(dead_code, reason = "each test file uses some of the helpers")]
mod common;

mod commands;
mod crowd;
mod first;
mod installed;
mod places;
mod runtime;
mod traffic;
mod waiting;
mod world;
