//! SCTP associations of raw packets: most kernels have no sockets for them.

use std::net::{IpAddr, SocketAddr};

use enforcer::datapath::frame::{SCTP_DATA, SCTP_INIT, sctp};
use enforcer_lab::{Namespace, raw};

use crate::common::frames::mark;
use crate::common::{LONG, SHORT};

const SCTP: u8 = 132;

/// An association between a client and port 80 of a server.
pub(crate) struct Association<'a> {
    pub(crate) name: String,
    pub(crate) ends: [(&'a Namespace, SocketAddr); 2],
}

impl<'a> Association<'a> {
    /// Opens it, and has both sides send.
    pub(crate) fn open(
        name: &str,
        client: (&'a Namespace, IpAddr),
        server: (&'a Namespace, IpAddr),
        port: u16,
    ) -> Self {
        let at = |(namespace, address): (&'a Namespace, IpAddr), port| {
            (namespace, SocketAddr::new(address, port))
        };
        let association = Self {
            name: format!("{name} ({} SCTP)", server.1),
            ends: [at(client, port), at(server, 80)],
        };
        assert!(association.passes(SCTP_INIT, false, true), "{name}");
        association.goes_on();
        association
    }

    /// Fails unless packets of both sides arrive.
    pub(crate) fn goes_on(&self) {
        for back in [false, true] {
            assert!(self.passes(SCTP_DATA, back, true), "{} is cut", self.name);
        }
    }

    /// Fails unless packets of both sides are lost.
    pub(crate) fn is_cut(&self) {
        for back in [false, true] {
            let passes = self.passes(SCTP_DATA, back, false);
            assert!(!passes, "{} is not cut", self.name);
        }
    }

    fn passes(&self, chunk: u8, back: bool, expected: bool) -> bool {
        let [mut from, mut to] = self.ends;
        if back {
            std::mem::swap(&mut from, &mut to);
        }
        let mut packet = sctp((from.1.port(), to.1.port()), chunk);
        packet.extend(mark());
        let patience = if expected { LONG } else { SHORT };
        let ends = [from, to].map(|(namespace, at)| (namespace, at.ip()));
        raw::arrives(ends[0], ends[1], SCTP, &packet, patience).unwrap()
    }
}
