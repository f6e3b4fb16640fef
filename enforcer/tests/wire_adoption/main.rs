//! Connections from before a pod's isolation: those that the policy allows go on, whichever side
//! opened them and whichever speaks first; the others are cut. Needs root, nftables and a built BPF
//! object.

#![expect(clippy::unwrap_used, reason = "a test ends at its first surprise")]
#![expect(clippy::panic, reason = "a test ends at its first surprise")]

#[path = "../common/mod.rs"]
#[allow(dead_code, reason = "each test file uses some of the helpers")]
mod common;

mod daemons;
mod directions;
mod echoes;
mod peers;
mod sctp;
mod services;
mod table;
mod talk;
mod world;
