//! A node with pods, made of network namespaces: for tests on real packets and for demonstrations.
//!
//! The node is a namespace too, so nothing here touches the machine's own links, routes or
//! settings, and any number of labs can run at a time. Needs root and iproute2.

#![forbid(unsafe_code)]

mod error;
pub mod namespace;
mod sweep;

pub use error::LabError;
pub use namespace::Namespace;
pub use sweep::Home;
