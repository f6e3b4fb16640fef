//! Whatever takes an allowance away cuts exactly the connections that rested on it, at their next
//! packet; all others lose none. Needs root and a built BPF object.

#![expect(clippy::unwrap_used, reason = "a test ends at its first surprise")]

#[path = "../common/mod.rs"]
#[allow(dead_code, reason = "each test file uses some of the helpers")]
mod common;

mod changes;
mod reuse;
mod sctp;
mod talk;
mod world;
