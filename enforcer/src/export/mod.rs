//! Denials for collectors of logs: a follower of the flow records that writes lines to a file or to stdout.
//!
//! - `task`: follows the records, and tries again what cannot be written;
//! - `form`: records as lines; `otlp` has those of `OpenTelemetry`;
//! - `file`: a file that is rotated;
//! - [`counters`]: what came of it.
//!
//! Nothing waits for it: what it is too slow for is counted, told in a line, and gone.

pub mod counters;
mod file;
mod form;
mod options;
mod otlp;
mod sink;
mod task;

pub use counters::{Count, Counters};
pub use options::{Format, Options, Target, filter};
pub use task::{Export, start};
