//! The daemon's parts, as a library for its binary and its integration tests.

pub mod datapath;
