//! What is asked on the wire.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use enforcer_policy::oracle::{Answer, Question, Side};

/// What is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Kind {
    /// A connection with an exchange.
    Tcp(u16),
    /// A datagram that is answered.
    Udp(u16),
    /// A chunk INIT, which must arrive.
    Sctp(u16),
    /// An echo request that is answered.
    Icmp,
    /// A packet of a protocol that the programs do not look into, which must arrive.
    Gre,
}

impl Kind {
    /// IANA protocol number and destination port.
    pub(crate) fn protocol(self, v6: bool) -> (u8, u16) {
        match self {
            Self::Tcp(port) => (6, port),
            Self::Udp(port) => (17, port),
            Self::Sctp(port) => (132, port),
            Self::Icmp => (if v6 { 58 } else { 1 }, 0),
            Self::Gre => (47, 0),
        }
    }

    /// The same to another port.
    pub(crate) fn with_port(self, port: u16) -> Self {
        match self {
            Self::Tcp(_) => Self::Tcp(port),
            Self::Udp(_) => Self::Udp(port),
            Self::Sctp(_) => Self::Sctp(port),
            Self::Icmp | Self::Gre => self,
        }
    }

    /// Its protocol's name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Tcp(_) => "TCP",
            Self::Udp(_) => "UDP",
            Self::Sctp(_) => "SCTP",
            Self::Icmp => "ICMP",
            Self::Gre => "GRE",
        }
    }
}

/// One question to the wire.
#[derive(Clone, Debug)]
pub(crate) struct Probe {
    /// No other question of the round has it.
    pub(crate) id: u64,
    /// The number of the host that asks.
    pub(crate) host: usize,
    pub(crate) from: IpAddr,
    /// The source that the receiver sees, other than `from` where it is masqueraded.
    pub(crate) source: IpAddr,
    pub(crate) to: IpAddr,
    pub(crate) kind: Kind,
    /// What the oracle says.
    pub(crate) answer: Answer,
    /// Whether that means that it must arrive, given who enforces here.
    pub(crate) allowed: bool,
    /// To a service: where it may arrive instead, if anywhere.
    pub(crate) backends: Option<Vec<Backend>>,
}

/// A backend of a service, for one sender.
#[derive(Clone, Debug)]
pub(crate) struct Backend {
    /// Where the connection really goes.
    pub(crate) at: SocketAddr,
    /// From whom, as the backend sees it.
    pub(crate) source: IpAddr,
    pub(crate) allowed: bool,
    pub(crate) answer: Answer,
}

impl Probe {
    /// Whether it may be answered at all.
    pub(crate) fn may_arrive(&self) -> bool {
        let backends = self.backends.as_deref().unwrap_or_default();
        self.allowed || backends.iter().any(|backend| backend.allowed)
    }

    /// Whether it may arrive there, from this source.
    pub(crate) fn may_arrive_at(&self, at: SocketAddr, source: IpAddr) -> bool {
        match &self.backends {
            None => self.allowed && at == SocketAddr::new(self.to, self.kind.protocol(false).1),
            Some(backends) => backends
                .iter()
                .any(|backend| backend.allowed && (backend.at, backend.source) == (at, source)),
        }
    }

    /// The same question to the oracle.
    pub(crate) fn question(&self) -> Question {
        question(self.source, self.to, self.kind)
    }
}

/// A question to the oracle.
pub(crate) fn question(from: IpAddr, to: IpAddr, kind: Kind) -> Question {
    let (protocol, port) = kind.protocol(to.is_ipv6());
    Question {
        from: Side::Address(from),
        to: Side::Address(to),
        protocol,
        port,
    }
}

impl fmt::Display for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} → {} {}", self.from, self.to, self.kind.name())?;
        match self.kind {
            Kind::Tcp(port) | Kind::Udp(port) | Kind::Sctp(port) => write!(f, " port {port}"),
            Kind::Icmp | Kind::Gre => Ok(()),
        }?;
        if self.source == self.from {
            return Ok(());
        }
        write!(f, " as {}", self.source)
    }
}

/// What the wire said otherwise than the oracle.
#[derive(Clone, Debug)]
pub(crate) struct Wrong {
    pub(crate) probe: Probe,
    pub(crate) seen: String,
}
