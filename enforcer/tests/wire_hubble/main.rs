//! The real `hubble` CLI and hubble-relay against the real daemon. Needs root, a built BPF object and the programs
//! of `cargo xtask test`.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test ends at its first surprise"
)]

#[path = "../../../enforcer-hubble/tests/services/authority.rs"]
#[allow(dead_code, reason = "of the other tests")]
mod authority;
mod cli;
#[path = "../common/mod.rs"]
#[allow(dead_code, reason = "each test file uses some of the helpers")]
mod common;
mod filters;
mod following;
mod forms;
mod refusals;
mod relay;
#[path = "../wire_flows/shop.rs"]
#[allow(dead_code, reason = "each test file uses some of the helpers")]
mod shop;
mod status;
mod tls;
mod world;
