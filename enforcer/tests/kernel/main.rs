//! The loaded programs against the same code on the host. Needs root.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test ends at its first surprise"
)]

mod agreement;
mod batch;
mod both;
mod clock;
mod denials;
mod displaced;
mod far;
mod lengths;
mod longest;
mod packets;
#[path = "../common/random.rs"]
#[allow(dead_code, reason = "each test file uses some of it")]
mod random;
mod restore;
mod verifier;
mod world;
