//! A pod.

use std::net::IpAddr;
use std::ops::Deref;

use crate::Namespace;

/// A pod: a namespace below [`crate::Node::netns_dir`] with a link `eth0`.
#[derive(Debug)]
pub struct Pod {
    /// Its name, also that of its namespace file.
    pub name: String,
    /// Its addresses.
    pub addresses: Vec<IpAddr>,
    /// The name of the node's side of its link; empty when there is none ([`crate::Direct`]).
    pub host_link: String,
    pub(super) namespace: Namespace,
}

impl Deref for Pod {
    type Target = Namespace;

    fn deref(&self) -> &Namespace {
        &self.namespace
    }
}

impl Pod {
    /// Its IPv4 address.
    pub fn v4(&self) -> Option<IpAddr> {
        self.addresses.iter().copied().find(IpAddr::is_ipv4)
    }

    /// Its IPv6 address.
    pub fn v6(&self) -> Option<IpAddr> {
        self.addresses.iter().copied().find(IpAddr::is_ipv6)
    }
}
