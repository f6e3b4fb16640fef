//! The daemon and its command line, as a library so that tests can reach every part.

#![forbid(unsafe_code)]

pub mod cli;
pub mod lint;
pub mod source;
