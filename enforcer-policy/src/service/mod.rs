//! Where a connection to a service goes: what the endpoint slice controller and kube-proxy make of the
//! objects.
//!
//! Nothing here decides about packets: those are judged where their real destination is known. It is
//! for explaining them, and for lints.

mod endpoints;
mod frontend;
mod route;
#[cfg(test)]
mod tests;

use std::net::IpAddr;

pub use endpoints::{endpoints, headless};
pub use frontend::{Frontend, Via, by_name, frontend, frontend_of};
pub use route::{NoBackend, Route, route};

use crate::intern::Name;
use crate::model::PodKey;

/// One endpoint of a service port.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Backend {
    /// Its address.
    pub address: IpAddr,
    /// The port there.
    pub port: u16,
    /// The pod that it is, when somebody says so.
    pub pod: Option<PodKey>,
    /// The node that it is on.
    pub node: Option<Name>,
    /// It takes new connections.
    pub ready: bool,
    /// It answers, maybe while it is ending.
    pub serving: bool,
    /// It is ending.
    pub terminating: bool,
}
