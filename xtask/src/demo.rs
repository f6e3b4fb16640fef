//! `cargo xtask demo`: a policy at work between three network namespaces.

pub(crate) fn placeholder() {}
