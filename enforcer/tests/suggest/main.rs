//! `enforcer policy suggest` and `enforcer trace --replay` as a user runs them: manifests and records in
//! files.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test ends at its first surprise"
)]

mod asked;
mod command;
mod daemon;
mod edges;
mod exact;
mod labels;
mod random;
mod recorded;
mod records;
mod replay;
mod words;
