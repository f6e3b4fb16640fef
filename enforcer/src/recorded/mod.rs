//! Recorded connections: flow records of any number of nodes, put together.
//!
//! A connection has a record at each end that is a policed pod. Together they say what became of it.

mod connection;
mod log;
mod read;

pub use connection::{Connection, End, Seen};
pub use log::{Log, Lost, PassedOver};
pub use read::{ReadError, read, read_file};
