//! Where objects come from.

pub mod manifests;
pub mod problem;
