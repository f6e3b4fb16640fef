//! The daemon's source of objects against real servers, and through a proxy that fails as networks and
//! servers do. Needs the programs of `cargo xtask envtest`, and root.

#![expect(clippy::unwrap_used, reason = "a test ends at its first surprise")]

mod access;
mod broken;
mod lists;
mod restarts;
mod watcher;
mod world;
