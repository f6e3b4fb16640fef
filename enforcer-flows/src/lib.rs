//! Flow records: what they say, how they are kept, filtered and shown. No I/O, no clock, no async.
//!
//! - [`record`]: one record, and its JSON form;
//! - [`filter`]: which records are meant;
//! - [`ring`]: the last records;
//! - [`query`]: which of them a reader wants;
//! - [`text`]: records for people.

pub mod filter;
pub mod query;
pub mod record;
pub mod ring;
pub mod text;

pub use filter::{Filter, Side, Term, What};
pub use query::Query;
pub use record::{
    Context, Icmp, Kind, Nearest, Party, Protocol, Record, RuleName, TcpFlags, Total, Verdict, Who,
};
pub use ring::{Limits, Page, Ring};
