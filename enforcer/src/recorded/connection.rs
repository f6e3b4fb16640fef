//! One recorded connection.

use std::fmt;
use std::net::IpAddr;

use enforcer_common::abi::Direction;
use enforcer_flows::{Party, Protocol, Verdict};
use enforcer_policy::intern::Name;
use enforcer_policy::model::{PodKey, ServiceKey};
use jiff::Timestamp;

/// Who connected, to whom: all connections that differ in nothing but the client's port.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Connection {
    /// Who connected.
    pub client: End,
    /// To whom.
    pub server: End,
    /// The protocol.
    pub protocol: Protocol,
    /// The server's port; `None` for protocols without ports.
    pub port: Option<u16>,
}

/// One end.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct End {
    /// The pod, if it is one.
    pub pod: Option<PodKey>,
    /// The node, if it is one.
    pub node: Option<Name>,
    /// The service whose address it is, where nobody translated that.
    pub service: Option<ServiceKey>,
    /// Its address.
    pub address: IpAddr,
}

impl End {
    /// The end that a record speaks of; `None` without an address.
    pub fn of(party: &Party) -> Option<Self> {
        let pod = party.pod().cloned();
        let nobodys = pod.is_none();
        Some(Self {
            node: party.node().filter(|_| nobodys).cloned(),
            service: party.service().filter(|_| nobodys).cloned(),
            address: party.address?.to_canonical(),
            pod,
        })
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let address = self.address;
        match self {
            Self { pod: Some(pod), .. } => write!(f, "{pod}"),
            Self {
                node: Some(node), ..
            } => write!(f, "node {node} ({address})"),
            Self {
                service: Some(service),
                ..
            } => write!(f, "service {service} ({address})"),
            _ => write!(f, "{address}"),
        }
    }
}

impl fmt::Display for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (client, server, protocol) = (&self.client, &self.server, self.protocol);
        write!(f, "{client} → {server} {protocol}")?;
        match self.port {
            Some(port) => write!(f, " {port}"),
            None => Ok(()),
        }
    }
}

/// What became of a connection, by the direction whose policy was asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// How often it was allowed.
    pub opened: [u64; 2],
    /// Packets that were dropped.
    pub denied: [u64; 2],
    /// Packets that would have been dropped but for audit mode.
    pub audited: [u64; 2],
    /// When it was last allowed.
    pub last_opened: [Option<Timestamp>; 2],
    /// When it was last denied.
    pub last_denied: [Option<Timestamp>; 2],
    /// When it would last have been denied.
    pub last_audited: [Option<Timestamp>; 2],
}

impl Seen {
    /// What became of it. Both ends must allow it, as far as they were recorded, and at each end the last
    /// word counts: policies may have changed meanwhile.
    pub fn verdict(&self) -> Verdict {
        let last = |times: &[Option<Timestamp>; 2]| {
            let mut both = times.iter().zip(&self.last_opened);
            both.any(|(time, opened)| time > opened)
        };
        if last(&self.last_denied) {
            Verdict::Denied
        } else if last(&self.last_audited) {
            Verdict::Audit
        } else {
            Verdict::Allowed
        }
    }

    /// How many such connections there were, best as the end of this direction knows.
    pub fn connections(&self, direction: Direction) -> u64 {
        let own = self.opened[direction.index()];
        if own > 0 {
            return own;
        }
        self.opened.iter().copied().max().unwrap_or_default()
    }

    /// How many packets were denied, or would have been.
    pub fn packets_denied(&self) -> u64 {
        let all = self.denied.iter().chain(&self.audited);
        all.fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// When it was last denied, or would have been.
    pub fn last_refused(&self) -> Option<Timestamp> {
        let both = self.last_denied.iter().chain(&self.last_audited);
        both.copied().max().flatten()
    }

    /// When it was last seen.
    pub fn last(&self) -> Option<Timestamp> {
        let opened = self.last_opened.iter().copied().max().flatten();
        opened.max(self.last_refused())
    }
}
