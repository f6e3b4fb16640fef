//! Every edge of the packet path, on the wire. Needs root and a built BPF object.
//!
//! Most are tables of cases: a frame, built byte by byte, and what becomes of it where a pod sends
//! it (`from_pod`), where a pod receives it (`to_pod`) and where nobody isolates the pods. The same
//! tables are in `docs/edge-cases.md`, which [`document`] keeps true.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test ends at its first surprise"
)]

mod addresses;
mod case;
#[path = "../common/mod.rs"]
#[allow(dead_code, reason = "each test file uses some of the helpers")]
mod common;
mod discovery;
mod document;
mod errors;
mod fragments;
mod frames;
mod ipv4;
mod ipv6;
mod link;
mod protocols;
mod rules;
mod sources;
mod stage;
mod tcp;
mod tunnels;
