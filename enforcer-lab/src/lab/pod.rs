//! A pod.

use std::net::IpAddr;
use std::ops::Deref;
use std::thread;
use std::time::{Duration, Instant};

use crate::{LabError, Namespace};

/// Enough for the kernel to make an address usable.
const PATIENCE: Duration = Duration::from_secs(5);

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

    /// Waits until its IPv6 addresses are its own: the kernel makes their local routes a moment
    /// after it has taken the addresses.
    pub(super) fn wait_for_addresses(&self) -> Result<(), LabError> {
        let end = Instant::now() + PATIENCE;
        for address in self.addresses.iter().filter(|address| address.is_ipv6()) {
            let lookup = format!("-6 route show table local {address}");
            while self.ip(&lookup)?.is_empty() {
                if Instant::now() > end {
                    return Err(LabError::Command {
                        command: format!("ip {lookup}"),
                        output: "no local route".to_owned(),
                    });
                }
                thread::sleep(Duration::from_millis(1));
            }
        }
        Ok(())
    }
}
