//! The compiler against what the rules mean, on small random clusters.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod build;
mod capacity;
mod explained;
mod former;
mod generate;
mod lookup;
mod meaning;
mod ordered;
mod properties;

mod scale;
mod services;
mod single;
