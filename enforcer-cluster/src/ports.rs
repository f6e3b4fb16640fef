//! Ports that no other control plane of this machine takes.

use std::net::{Ipv4Addr, TcpListener};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixListener};

use crate::ClusterError;

/// Below the ports that the kernel gives to clients, so that a server that is started again finds
/// its port free.
const FIRST: u16 = 20_000;
const LAST: u16 = 29_999;

/// A port on 127.0.0.1, reserved as long as this lives.
#[derive(Debug)]
pub(crate) struct Port {
    /// Its number.
    pub(crate) number: u16,
    /// A name that only one process can have at a time: the port itself must stay free for its
    /// server.
    _claim: UnixListener,
}

impl Port {
    /// Reserves the first one that is free.
    pub(crate) fn reserve() -> Result<Self, ClusterError> {
        (FIRST..=LAST)
            .find_map(claim)
            .ok_or(ClusterError::NoPort(FIRST, LAST))
    }

    /// `127.0.0.1:port`.
    pub(crate) fn address(&self) -> String {
        format!("{}:{}", Ipv4Addr::LOCALHOST, self.number)
    }
}

fn claim(number: u16) -> Option<Port> {
    let name = SocketAddr::from_abstract_name(format!("enforcer-cluster-port-{number}")).ok()?;
    let claim = UnixListener::bind_addr(&name).ok()?;
    TcpListener::bind((Ipv4Addr::LOCALHOST, number)).ok()?;
    Some(Port {
        number,
        _claim: claim,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reserved_port_is_not_given_twice() {
        let first = Port::reserve().unwrap();
        let second = Port::reserve().unwrap();
        assert_ne!(first.number, second.number);
        assert!(claim(first.number).is_none());
    }

    #[test]
    fn a_port_in_use_is_not_given() {
        let free = Port::reserve().unwrap();
        let number = free.number;
        drop(free);
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, number));
        assert!(taken.is_err() || claim(number).is_none());
    }
}
