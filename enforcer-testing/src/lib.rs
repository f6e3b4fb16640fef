//! What the tests of every level share.
//!
//! - [`scenario`] reads `scenarios/*.yaml`: manifests and the verdicts that they must lead to.
//! - [`generate`] makes random clusters, questions about them, and random changes.
//! - [`coverage`] counts what a property test met, so that it fails when it met too little.

#![forbid(unsafe_code)]

pub mod big;
pub mod coverage;
pub mod generate;
pub mod objects;
pub mod scenario;
