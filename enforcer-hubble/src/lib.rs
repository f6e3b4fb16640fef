//! Hubble's gRPC services over flow records, so that the `hubble` CLI, hubble-relay and Hubble UI work
//! against enforcer.
//!
//! - [`proto`]: the messages, generated from `proto/`;
//! - [`source`]: where records come from: the daemon implements it;
//! - [`convert`]: from a record to a flow;
//! - [`filter`] and [`mask`]: which flows, and what of them;
//! - [`observer`] and [`peer`]: the services;
//! - [`server`], [`incoming`] and [`tls`]: sockets and certificates.

pub mod convert;
pub mod filter;
mod flows;
mod hash;
pub mod incoming;
pub mod mask;
pub mod node;
pub mod observer;
pub mod peer;
pub mod proto;
pub mod server;
pub mod source;
#[cfg(test)]
mod testing;
pub mod tls;

pub use incoming::Listener;
pub use node::Node;
pub use server::{Options, serve};
pub use source::{Extent, Peers, Reader, Source};
pub use tls::Tls;
