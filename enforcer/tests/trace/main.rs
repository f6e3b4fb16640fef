//! `enforcer trace` as a user runs it: manifests in files, questions and answers as text.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test ends at its first surprise"
)]

mod command;
mod cut;
mod kernel;
mod random;
mod scenarios;
mod services;
mod speed;
mod words;
mod written;
