//! The daemon and its command line, as a library so that tests can reach every part.

pub mod cli;
pub mod datapath;
pub mod lint;
pub mod source;
pub mod trace;
