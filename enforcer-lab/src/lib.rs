//! Nodes with pods, made of network namespaces: for tests on real packets and for demonstrations.
//!
//! A node is a namespace too, so nothing here touches the machine's own links, routes or
//! settings, and any number of labs can run at a time. Needs root and iproute2.
//!
//! - [`Lab`]: a node, its pods and the world outside;
//! - [`Cluster`]: several nodes that reach each other's pods;
//! - [`Node`]: one of them, with pods and the directories for a daemon;
//! - [`Namespace`]: one of these;
//! - [`probe`]: what a client inside one sees;
//! - [`raw`]: IP packets of any protocol;
//! - [`serve`]: servers inside one;
//! - [`Connection`]: a connection that stays open;
//! - [`relay()`]: a server of this machine inside one;
//! - [`Wire`]: raw frames;
//! - [`skip()`]: lists a test as skipped for what the kernel lacks;
//! - [`proxy`]: the rules of a kube-proxy in the node;
//! - [`Daemon`]: the program under test, inside the node.

#![forbid(unsafe_code)]

mod connection;
mod daemon;
mod error;
mod lab;
mod namespace;
pub mod probe;
pub mod proxy;
pub mod raw;
mod relay;
pub mod serve;
mod skip;
mod sweep;
mod wire;

pub use connection::Connection;
pub use daemon::Daemon;
pub use error::LabError;
pub use lab::{Cluster, Direct, Fabric, Families, Lab, Network, Node, Pod, SecondLink, Shape};
pub use namespace::Namespace;
pub use probe::{Outcome, Protocol};
pub use relay::relay;
pub use serve::Server;
pub use skip::skip;
pub use sweep::Home;
pub use wire::Wire;
