//! What kube-proxy writes into a node: the same hooks, priorities, order, marks and masquerading.
//!
//! Its iptables mode is written by iptables-nft, whatever the machine's default is: the legacy
//! tables behave the same, but take a lock that all namespaces share. Left out are what no packet
//! of a lab meets: load balancers' source ranges, health check ports and their counters, and
//! `route_localnet` for node ports at 127.0.0.1. kube-proxy also forgets UDP connections to backends that are gone; this does
//! not touch the connection table.

mod iptables;
mod nftables;
mod route;
mod service;
#[cfg(test)]
mod tests;

use std::io::Write;
use std::net::IpAddr;
use std::process::{Command, Stdio};

use ipnet::IpNet;

pub use service::{Backend, Service, ServicePort, TrafficPolicy};

use crate::{LabError, Namespace};

/// The mark bit by which kube-proxy tells itself what to masquerade.
const MASQUERADE: &str = "0x4000";

/// Which of kube-proxy's modes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// `--proxy-mode nftables`.
    Nftables,
    /// `--proxy-mode iptables`.
    Iptables,
}

/// A kube-proxy and all that it knows.
#[derive(Clone, Debug)]
pub struct Proxy {
    /// Its mode.
    pub mode: Mode,
    /// `--cluster-cidr`: what comes from here to a cluster address is not masqueraded.
    pub pods: Vec<IpNet>,
    /// The node's own addresses at which its node ports are (nftables mode; in iptables mode all
    /// local addresses are).
    pub node: Vec<IpAddr>,
    /// `--masquerade-all`: everything to a cluster address is masqueraded.
    pub masquerade_all: bool,
    /// The services.
    pub services: Vec<Service>,
}

/// A family of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Family {
    V4,
    V6,
}

impl Family {
    const BOTH: [Self; 2] = [Self::V4, Self::V6];

    fn has(self, address: IpAddr) -> bool {
        address.is_ipv4() == (self == Self::V4)
    }
}

impl Proxy {
    /// Makes a node's rules those of this proxy, each table in one step.
    pub fn apply(&self, node: &Namespace) -> Result<(), LabError> {
        match self.mode {
            Mode::Nftables => feed(node, "nft", &["-f", "-"], &nftables::rules(self)),
            Mode::Iptables => Family::BOTH.into_iter().try_for_each(|family| {
                let program = match family {
                    Family::V4 => "iptables-nft-restore",
                    Family::V6 => "ip6tables-nft-restore",
                };
                feed(node, program, &[], &iptables::rules(self, family))
            }),
        }
    }

    /// The pods' subnet in a family.
    fn pods(&self, family: Family) -> Option<&IpNet> {
        self.pods.iter().find(|pods| family.has(pods.addr()))
    }
}

/// Runs a program inside a node with this text as its input.
fn feed(node: &Namespace, program: &str, arguments: &[&str], text: &str) -> Result<(), LabError> {
    let mut command = Command::new(program);
    command
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    let mut child = node.spawn(&mut command)?;
    // A program that ends early says why by its exit code and messages.
    let _ = child
        .stdin
        .take()
        .map(|mut input| input.write_all(text.as_bytes()));
    let output = child.wait_with_output().map_err(LabError::file(program))?;
    if output.status.success() {
        return Ok(());
    }
    Err(LabError::Command {
        command: program.to_owned(),
        output: format!("{}\n{text}", String::from_utf8_lossy(&output.stderr)),
    })
}

/// 16 characters that stand for a name (FNV-1a), where kube-proxy has a SHA-256 in base 32.
fn hash(name: &str) -> String {
    let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
    });
    format!("{hash:016X}")
}
