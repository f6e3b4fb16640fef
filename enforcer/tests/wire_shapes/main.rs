//! How CNI plugins join pods and nodes: what is allowed and denied is the same with all of them.
//! Needs root and a built BPF object.
//!
//! Nodes are network namespaces, each with its own daemon; all read the same manifests.

#![expect(clippy::unwrap_used, reason = "a test ends at its first surprise")]
#![expect(clippy::panic, reason = "a test ends at its first surprise")]

#[path = "../common/mod.rs"]
#[allow(dead_code, reason = "each test file uses some of the helpers")]
mod common;

mod lasting;
mod matrix;
mod means;
mod nodes;
mod second;
mod services;
mod unenforceable;
mod world;
