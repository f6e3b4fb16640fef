//! The verbs of the command line, one file each.

mod output;
pub mod trace;

pub use output::Output;
