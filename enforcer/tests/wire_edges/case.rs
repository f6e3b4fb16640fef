//! An edge: its frames, and what must become of them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use enforcer::datapath::frame::{self, Ipv4, Ipv6};
use enforcer_common::Reason;
use enforcer_common::parse::number;

/// Builds the frames of a case.
pub(crate) type Build = Box<dyn Fn(&Ends) -> Vec<Vec<u8>>>;

/// A row of the tables.
pub(crate) struct Case {
    /// What the packet is.
    pub(crate) name: &'static str,
    /// Why the verdict is right.
    pub(crate) why: &'static str,
    /// What `from_pod` says when an isolated pod sends it to a pod that nobody isolates.
    pub(crate) from_pod: Option<Reason>,
    /// What `to_pod` says when a pod that nobody isolates sends it to an isolated one.
    pub(crate) to_pod: Option<Reason>,
    /// What `from_pod` says between pods that nobody isolates.
    pub(crate) open: Reason,
    /// The frames, in order. The verdict is the last one's, which alone has the mark in it.
    pub(crate) frames: Build,
}

/// A case with the same verdict at isolated senders and receivers that is nothing to pods that
/// nobody isolates.
pub(crate) fn case(
    name: &'static str,
    reason: Reason,
    why: &'static str,
    frame: impl Fn(&Ends) -> Vec<u8> + 'static,
) -> Case {
    sequence(name, reason, why, move |ends| vec![frame(ends)])
}

/// The same for several frames.
pub(crate) fn sequence(
    name: &'static str,
    reason: Reason,
    why: &'static str,
    frames: impl Fn(&Ends) -> Vec<Vec<u8>> + 'static,
) -> Case {
    Case {
        name,
        why,
        from_pod: Some(reason),
        to_pod: Some(reason),
        open: Reason::NotIsolated,
        frames: Box::new(frames),
    }
}

impl Case {
    /// With another verdict at `to_pod`.
    pub(crate) fn received(self, reason: Reason) -> Self {
        Self {
            to_pod: Some(reason),
            ..self
        }
    }

    /// Dropped where it is sent, whoever sends it: none arrives at `to_pod`.
    pub(crate) fn always(self) -> Self {
        Self {
            to_pod: None,
            open: self.from_pod.unwrap(),
            ..self
        }
    }
}

/// With the mark behind the packet, where it is padding.
pub(crate) fn padded(ends: &Ends, frame: &[u8]) -> Vec<u8> {
    [frame, &ends.mark].concat()
}

/// A pod.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Side {
    pub(crate) mac: [u8; 6],
    pub(crate) v4: Ipv4Addr,
    pub(crate) v6: Ipv6Addr,
}

/// Who sends to whom, and what is in no other case's frames.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ends {
    pub(crate) from: Side,
    pub(crate) to: Side,
    /// Somebody else, for what is about others.
    pub(crate) other: Side,
    /// An address of the node.
    pub(crate) node: Ipv4Addr,
    /// A port as clients have it.
    pub(crate) port: u16,
    pub(crate) mark: [u8; 8],
}

/// The ports that the isolated pod may be reached at and may reach.
pub(crate) const DNS: u16 = 53;
pub(crate) const HTTP: u16 = 80;
pub(crate) const SCTP_PORT: u16 = 5000;
/// One more, at which nothing is allowed.
pub(crate) const CLOSED: u16 = 81;

pub(crate) const MORE_FRAGMENTS: u16 = 0x2000;

impl Ends {
    /// The way back.
    pub(crate) fn back(&self) -> Self {
        Self {
            from: self.to,
            to: self.from,
            ..*self
        }
    }

    /// A frame to the other end.
    pub(crate) fn ethernet(&self, ethertype: u16, payload: &[u8]) -> Vec<u8> {
        let head = [&self.to.mac[..], &self.from.mac, &ethertype.to_be_bytes()].concat();
        [&head, payload].concat()
    }

    pub(crate) fn header_v4(&self, protocol: u8) -> Ipv4<'static> {
        Ipv4::new(self.from.v4, self.to.v4, protocol)
    }

    pub(crate) fn header_v6(&self, next: u8) -> Ipv6 {
        Ipv6::new(self.from.v6, self.to.v6, next)
    }

    pub(crate) fn v4(&self, protocol: u8, payload: &[u8]) -> Vec<u8> {
        self.ethernet(number::IPV4, &self.header_v4(protocol).packet(payload))
    }

    pub(crate) fn v6(&self, next: u8, payload: &[u8]) -> Vec<u8> {
        self.ethernet(number::IPV6, &self.header_v6(next).packet(payload))
    }

    /// A packet from an address to an address, both of one family.
    pub(crate) fn between(
        &self,
        from: IpAddr,
        to: IpAddr,
        protocol: u8,
        payload: &[u8],
    ) -> Vec<u8> {
        let packet = frame::ip(from, to, protocol, payload).unwrap();
        let ethertype = u16::from_be_bytes([packet[12], packet[13]]);
        self.ethernet(ethertype, &packet[14..])
    }

    /// A datagram with the mark in it.
    pub(crate) fn udp(&self, port: u16) -> Vec<u8> {
        frame::udp((self.port, port), &self.mark)
    }

    /// A TCP segment with the mark in it.
    pub(crate) fn tcp(&self, port: u16, flags: u8) -> Vec<u8> {
        [&frame::tcp((self.port, port), flags)[..], &self.mark].concat()
    }
}
