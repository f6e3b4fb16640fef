//! `enforcer flows` against what was sent: each filter, form and limit. Needs root and a built BPF
//! object.

#![expect(clippy::unwrap_used, reason = "a test ends at its first surprise")]

#[path = "../common/mod.rs"]
#[allow(dead_code, reason = "each test file uses some of the helpers")]
mod common;
mod filters;
mod forms;
mod reading;
mod shop;
mod suggest;
