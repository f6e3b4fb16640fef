//! Endpoint slices: who is behind a service.

use std::fmt;
use std::net::IpAddr;

use super::{Family, PodKey, ServiceKey};
use crate::intern::Name;
use crate::rule::Protocol;

/// The label with the name of the service that a slice belongs to.
pub const SERVICE_NAME_LABEL: &str = "kubernetes.io/service-name";

/// The name of an endpoint slice.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SliceKey {
    /// Its namespace.
    pub namespace: Name,
    /// Its name.
    pub name: Name,
}

impl fmt::Display for SliceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// An endpoint slice.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EndpointSlice {
    /// The service that it belongs to, by the label [`SERVICE_NAME_LABEL`].
    pub service: Option<ServiceKey>,
    /// The family of its addresses; none when they are names, which no proxy looks at.
    pub family: Option<Family>,
    /// Its endpoints.
    pub endpoints: Vec<SliceEndpoint>,
    /// The ports that each of them has.
    pub ports: Vec<SlicePort>,
}

/// One endpoint of a slice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SliceEndpoint {
    /// Its addresses, which are as good as each other; proxies take the first.
    pub addresses: Vec<IpAddr>,
    /// It takes new connections.
    pub ready: bool,
    /// It answers, maybe while it is ending.
    pub serving: bool,
    /// It is ending.
    pub terminating: bool,
    /// The node it is on.
    pub node: Option<Name>,
    /// The pod that it is.
    pub pod: Option<PodKey>,
}

/// A port of a slice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlicePort {
    /// The name of the service's port.
    pub name: Name,
    /// Its protocol.
    pub protocol: Protocol,
    /// Its number; none means all, which no proxy can translate to.
    pub port: Option<u16>,
}
