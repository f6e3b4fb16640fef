//! One file for each policy API: its objects in, [`crate::rule`]s out.

mod label_selector;
mod network_policy;
mod peers;
mod ports;

pub use network_policy::network_policy;
pub(crate) use ports::protocol;
