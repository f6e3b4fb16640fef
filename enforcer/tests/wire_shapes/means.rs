//! The protocols by which one pod may reach another.

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};

use enforcer_lab::{Namespace, Outcome, Protocol, Server, probe, raw};

use crate::common::{LONG, SHORT};

/// The port of everything here.
pub(crate) const PORT: u16 = 80;

const SCTP: u8 = 132;

/// A protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Means {
    Tcp,
    Udp,
    Icmp,
    /// A chunk INIT by a raw socket: few kernels have SCTP sockets.
    Sctp,
}

impl Means {
    pub(crate) const ALL: [Self; 4] = [Self::Tcp, Self::Udp, Self::Icmp, Self::Sctp];

    /// Whether `to` is reached at its address, from this address of `from`.
    pub(crate) fn reaches(
        self,
        (from, source): (&Namespace, IpAddr),
        (to, target): (&Namespace, IpAddr),
        expected: bool,
    ) -> bool {
        let patience = if expected { LONG } else { SHORT };
        let at = SocketAddr::new(target, PORT);
        let source_at = Some(SocketAddr::new(source, 0));
        let outcome = match self {
            Self::Tcp => probe::reach(from, source_at, at, Protocol::Tcp, patience).unwrap(),
            Self::Udp => probe::reach(from, source_at, at, Protocol::Udp, patience).unwrap(),
            Self::Icmp => probe::ping(from, target, patience).unwrap(),
            Self::Sctp => {
                let (ends, payload) = ([(from, source), (to, target)], init());
                return raw::arrives(ends[0], ends[1], SCTP, &payload, patience).unwrap();
            }
        };
        match outcome {
            Outcome::Connected => true,
            Outcome::Timeout => false,
            other => panic!("{source} → {target} by {self:?}: {other:?}"),
        }
    }
}

/// Servers of a pod for all means that need one.
pub(crate) fn serve(at: &Namespace) -> [Server; 2] {
    [Protocol::Tcp, Protocol::Udp].map(|protocol| Server::start(at, protocol, PORT).unwrap())
}

/// An SCTP packet with a chunk INIT whose last 8 bytes are like no other's.
fn init() -> Vec<u8> {
    static NEXT: AtomicU64 = AtomicU64::new(0x7368_6170_6573_0000);
    let [high, low] = PORT.to_be_bytes();
    let common = [0x9c, 0x40, high, low, 0, 0, 0, 0, 0, 0, 0, 0];
    let chunk = [1, 0, 0, 20, 1, 2, 3, 4, 0, 0, 0x10, 0];
    let mark = NEXT.fetch_add(1, Ordering::Relaxed).to_be_bytes();
    [&common[..], &chunk, &mark].concat()
}
