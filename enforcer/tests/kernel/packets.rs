//! Random packets: connections and their answers, errors about them, neighbours, fragments,
//! extension headers, and all of that broken.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use enforcer::datapath::frame::{self, Ipv4, Ipv6};
use enforcer::datapath::judge::{Arrival, LINK, OTHER_LINK};
use enforcer_common::abi::Direction;
use enforcer_common::parse::number;

use crate::random::Random;
use crate::world::{OWN, PEERS, PORTS, ip};

/// A packet on its way.
#[derive(Clone, Debug)]
pub(crate) struct Packet {
    pub(crate) hook: Direction,
    pub(crate) ingress_ifindex: u32,
    pub(crate) leaving: bool,
    pub(crate) segmented: bool,
    pub(crate) bytes: Vec<u8>,
}

impl Packet {
    pub(crate) fn arrival(&self) -> Arrival<'_> {
        Arrival {
            hook: self.hook,
            ingress_ifindex: self.ingress_ifindex,
            leaving: self.leaving,
            segmented: self.segmented,
            bytes: &self.bytes,
        }
    }
}

/// A connection, seen from the endpoint.
#[derive(Clone, Copy)]
struct Talk {
    own: IpAddr,
    peer: IpAddr,
    protocol: u8,
    own_port: u16,
    peer_port: u16,
}

/// Makes packets that have to do with each other.
pub(crate) struct Packets {
    random: Random,
    talks: Vec<Talk>,
}

impl Packets {
    pub(crate) fn new(random: Random) -> Self {
        Self {
            random,
            talks: Vec::new(),
        }
    }

    pub(crate) fn next(&mut self) -> Packet {
        let hook = self.random.of(&Direction::ALL);
        let mut bytes = match self.random.below(20) {
            0 => self.arp(),
            1 | 2 => self.neighbour(hook),
            3 => self.strange(),
            4 | 5 => self.error(hook),
            6 | 7 => self.fragment(hook),
            8 => self.options(hook),
            9 | 10 => self.extended(hook),
            _ => self.plain(hook),
        };
        self.break_sometimes(&mut bytes);
        let segmented = self.random.once_in(20);
        if segmented && self.random.once_in(2) {
            erase_length(&mut bytes);
        }
        Packet {
            hook,
            ingress_ifindex: match hook {
                Direction::Egress => LINK,
                Direction::Ingress => self
                    .random
                    .of(&[OTHER_LINK, OTHER_LINK, OTHER_LINK, OTHER_LINK, 0, LINK]),
            },
            leaving: hook == Direction::Egress && self.random.once_in(5),
            segmented,
            bytes,
        }
    }

    /// An old connection or a new one.
    fn talk(&mut self) -> Talk {
        if !self.talks.is_empty() && !self.random.once_in(3) {
            let index = self.random.below(self.talks.len());
            return self.talks[index];
        }
        let random = &mut self.random;
        let peer = ip(if random.once_in(15) {
            random.of(&OWN)
        } else {
            random.of(&PEERS)
        });
        let own = OWN
            .map(ip)
            .into_iter()
            .find(|own| own.is_ipv4() == peer.is_ipv4())
            .unwrap();
        let talk = Talk {
            own,
            peer,
            protocol: random.of(&[6, 6, 6, 17, 17, 132, 1, 58, 47, 0, 60, 59, 2]),
            own_port: random.of(&PORTS),
            peer_port: random.of(&PORTS),
        };
        self.talks.push(talk);
        talk
    }

    /// (source, destination) of a packet at this hook; now and then somebody else's source.
    fn ends(&mut self, talk: Talk, hook: Direction) -> (IpAddr, IpAddr) {
        match hook {
            Direction::Ingress => (talk.peer, talk.own),
            Direction::Egress if self.random.once_in(20) => {
                let other = match talk.own {
                    IpAddr::V4(_) => self.random.of(&["10.0.0.3", "0.0.0.0"]),
                    IpAddr::V6(_) => self.random.of(&["fd00::3", "fe80::7", "::"]),
                };
                (ip(other), talk.peer)
            }
            Direction::Egress => (talk.own, talk.peer),
        }
    }

    fn transport(&mut self, talk: Talk, hook: Direction) -> Vec<u8> {
        let random = &mut self.random;
        let (own, peer) = (talk.own_port, talk.peer_port);
        let ports = if hook == Direction::Egress {
            (own, peer)
        } else {
            (peer, own)
        };
        match talk.protocol {
            number::TCP => frame::tcp(ports, random.of(&[2, 2, 18, 16, 24, 17, 4, 20, 0, 3])),
            number::UDP => frame::udp(ports, b"xx"),
            number::SCTP => frame::sctp(ports, random.of(&[1, 1, 2, 0, 6, 7, 14])),
            number::ICMP => frame::icmp(random.of(&[8, 8, 0, 13, 9]), 0, own, &[]),
            number::ICMPV6 => frame::icmp(random.of(&[128, 128, 129, 139]), 0, own, &[]),
            _ => (0..random.below(12)).map(|_| random.u8()).collect(),
        }
    }

    fn plain(&mut self, hook: Direction) -> Vec<u8> {
        let talk = self.talk();
        let (source, destination) = self.ends(talk, hook);
        let transport = self.transport(talk, hook);
        frame::ip(source, destination, talk.protocol, &transport).unwrap()
    }

    fn options(&mut self, hook: Direction) -> Vec<u8> {
        let talk = self.talk();
        let (IpAddr::V4(source), IpAddr::V4(destination)) = self.ends(talk, hook) else {
            return self.extended(hook);
        };
        let words = 1 + self.random.below(10);
        let random = &mut self.random;
        let mut options: Vec<u8> = Vec::new();
        while options.len() < words * 4 {
            match random.below(9) {
                0 | 1 => options.push(1),
                2 if random.once_in(3) => options.push(0),
                3 if random.once_in(3) => {
                    options.extend([random.of(&[131, 137]), 7, 4, 0, 0, 0, 0]);
                }
                4 if random.once_in(3) => options.extend([68, random.of(&[0, 1, 60])]),
                _ => options.extend([148, 4, 0, 0]),
            }
        }
        options.truncate(words * 4);
        let header = Ipv4 {
            options: &options,
            ..Ipv4::new(source, destination, talk.protocol)
        };
        let transport = self.transport(talk, hook);
        frame::ethernet(number::IPV4, &header.packet(&transport))
    }

    /// Extension headers, sometimes one too many.
    fn extended(&mut self, hook: Direction) -> Vec<u8> {
        let talk = self.talk();
        let (IpAddr::V6(source), IpAddr::V6(destination)) = self.ends(talk, hook) else {
            return self.plain(hook);
        };
        let mut payload = self.transport(talk, hook);
        let mut next = talk.protocol;
        for _ in 0..self.random.below(9) {
            let kind = self.random.of(&[0, 60, 60, 43, 51, 44]);
            let mut header = self.extension(kind);
            header[0] = next;
            header.append(&mut payload);
            (payload, next) = (header, kind);
        }
        let header = Ipv6::new(source, destination, next);
        frame::ethernet(number::IPV6, &header.packet(&payload))
    }

    fn extension(&mut self, kind: u8) -> Vec<u8> {
        let random = &mut self.random;
        let length = random.below(3);
        let segments_left = u8::from(random.once_in(6));
        match kind {
            44 => {
                let field: u16 = if random.once_in(2) {
                    0
                } else {
                    random.of(&[1, 8, 9, 24])
                };
                let [high, low] = field.to_be_bytes();
                vec![0, 0, high, low, 0, 0, 0, random.u8() % 4]
            }
            51 => {
                let mut header = vec![0; 4 * (length + 2)];
                header[1] = u8::try_from(length).unwrap();
                header.resize(header.len().max(8), 0);
                header
            }
            _ => {
                let mut header = vec![0; 8 * (length + 1)];
                header[1] = u8::try_from(length).unwrap();
                header[3] = if kind == 43 { segments_left } else { 0 };
                header
            }
        }
    }

    /// First fragments, later ones, and those made to evade.
    fn fragment(&mut self, hook: Direction) -> Vec<u8> {
        let talk = self.talk();
        let ends = self.ends(talk, hook);
        let mut transport = self.transport(talk, hook);
        let random = &mut self.random;
        let offset: u16 = random.of(&[0, 0, 0, 1, 2, 3, 100]);
        if random.once_in(4) {
            transport.truncate(random.below(transport.len() + 1));
        }
        let identification = random.u16() % 4;
        match ends {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                let more = if random.once_in(3) && offset > 0 {
                    0
                } else {
                    0x2000
                };
                let header = Ipv4 {
                    identification,
                    fragment: more | offset,
                    ..Ipv4::new(source, destination, talk.protocol)
                };
                frame::ethernet(number::IPV4, &header.packet(&transport))
            }
            (IpAddr::V6(source), IpAddr::V6(destination)) => {
                let [high, low] = (offset << 3 | 1).to_be_bytes();
                let [id_high, id_low] = identification.to_be_bytes();
                let mut payload = vec![talk.protocol, 0, high, low, 0, 0, id_high, id_low];
                payload.extend(&transport);
                let header = Ipv6::new(source, destination, 44);
                frame::ethernet(number::IPV6, &header.packet(&payload))
            }
            _ => unreachable!("both ends of a talk are of one family"),
        }
    }

    /// An error about a packet that went the other way.
    fn error(&mut self, hook: Direction) -> Vec<u8> {
        let mut talk = self.talk();
        if self.random.once_in(6) {
            talk.own_port = self.random.u16();
        }
        let other = if hook == Direction::Egress {
            Direction::Ingress
        } else {
            Direction::Egress
        };
        let (source, destination) = match other {
            Direction::Ingress => (talk.peer, talk.own),
            Direction::Egress => (talk.own, talk.peer),
        };
        let transport = self.transport(talk, other);
        let quoted = frame::ip(source, destination, talk.protocol, &transport).unwrap();
        let router = self.random.of(&PEERS);
        let (from, to) = match (hook, talk.own.is_ipv4()) {
            (Direction::Egress, _) => (talk.own, talk.peer),
            (Direction::Ingress, true) if ip(router).is_ipv4() => (ip(router), talk.own),
            (Direction::Ingress, _) => (talk.peer, talk.own),
        };
        let quote = &quoted[14..];
        let quote = &quote[..quote.len().min(if talk.own.is_ipv4() { 28 } else { 80 })];
        let (protocol, message) = if talk.own.is_ipv4() {
            (number::ICMP, self.random.of(&[3, 11, 12, 5]))
        } else {
            (number::ICMPV6, self.random.of(&[1, 2, 3, 4]))
        };
        frame::ip(from, to, protocol, &frame::icmp(message, 1, 0, quote)).unwrap()
    }

    fn arp(&mut self) -> Vec<u8> {
        let sender: Ipv4Addr = self
            .random
            .of(&["10.0.0.1", "10.0.0.1", "10.0.0.2", "0.0.0.0"])
            .parse()
            .unwrap();
        let mut packet = frame::arp(self.random.of(&[1, 2]), sender, Ipv4Addr::new(10, 0, 0, 2));
        if self.random.once_in(4) {
            let at = self.random.below(8);
            packet[at] ^= self.random.u8();
        }
        frame::ethernet(number::ARP, &packet)
    }

    fn neighbour(&mut self, hook: Direction) -> Vec<u8> {
        let random = &mut self.random;
        let own: Ipv6Addr = random
            .of(&["fd00::1", "fe80::1", "fd00::3", "::"])
            .parse()
            .unwrap();
        let peer: Ipv6Addr = random
            .of(&["ff02::1", "fe80::2", "fd00::2", "2001:db8::2"])
            .parse()
            .unwrap();
        let target: Ipv6Addr = random
            .of(&["fd00::1", "fe80::1", "fd00::3"])
            .parse()
            .unwrap();
        let message = random.of(&[130, 131, 132, 133, 134, 135, 135, 136, 136, 136, 137, 143]);
        let (source, destination) = if hook == Direction::Egress {
            (own, peer)
        } else {
            (peer, own)
        };
        let header = Ipv6 {
            hops: random.of(&[255, 255, 255, 1, 64]),
            ..Ipv6::new(source, destination, number::ICMPV6)
        };
        let body = if random.once_in(5) {
            Vec::new()
        } else {
            target.octets().to_vec()
        };
        let message = frame::icmp(message, 0, 0, &body);
        if !random.once_in(4) {
            return frame::ethernet(number::IPV6, &header.packet(&message));
        }
        let next = random.of(&[0, 60, 44]);
        let mut extension = self.extension(next);
        extension[0] = number::ICMPV6;
        extension.extend(message);
        frame::ethernet(number::IPV6, &Ipv6 { next, ..header }.packet(&extension))
    }

    /// Ethertypes that cannot be judged, and tags before ones that could.
    fn strange(&mut self) -> Vec<u8> {
        let inner = self.plain(Direction::Egress);
        let ethertype = self
            .random
            .of(&[0x8100, 0x8100, 0x88a8, 0x8847, 0x88cc, 0x0000, 0x9100]);
        let mut payload = vec![0, 5];
        payload.extend(&inner[12..]);
        frame::ethernet(ethertype, &payload)
    }

    fn break_sometimes(&mut self, bytes: &mut Vec<u8>) {
        let random = &mut self.random;
        match random.below(25) {
            0 => bytes.truncate(random.below(bytes.len() + 1).max(14)),
            1 => bytes.extend(vec![0; random.below(40)]),
            2 | 3 => {
                let at = 12 + random.below(bytes.len().min(60) - 12);
                bytes[at] ^= random.u8();
            }
            _ => {}
        }
    }
}

/// What a packet beyond 64 KiB has in its length field.
fn erase_length(bytes: &mut [u8]) {
    let at = if bytes[12..14] == [0x08, 0x00] {
        16
    } else {
        18
    };
    if let Some(field) = bytes.get_mut(at..at + 2) {
        field.fill(0);
    }
}
