//! Where objects come from.

pub mod kubernetes;
pub mod manifests;
pub mod problem;
