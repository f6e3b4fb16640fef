//! Protocols, and what their headers say.

use std::fmt;

use enforcer_common::parse::number;

/// A protocol above IP, or the ethertype of another frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    /// An IANA protocol number.
    Ip(u8),
    /// An ethertype.
    Ethernet(u16),
}

/// Protocols with names.
const NAMES: [(Protocol, &str); 6] = [
    (Protocol::TCP, "TCP"),
    (Protocol::UDP, "UDP"),
    (Protocol::SCTP, "SCTP"),
    (Protocol::Ip(number::ICMP), "ICMP"),
    (Protocol::Ip(number::ICMPV6), "ICMPv6"),
    (Protocol::Ethernet(number::ARP), "ARP"),
];

impl Protocol {
    /// TCP.
    pub const TCP: Self = Self::Ip(number::TCP);
    /// UDP.
    pub const UDP: Self = Self::Ip(number::UDP);
    /// SCTP.
    pub const SCTP: Self = Self::Ip(number::SCTP);

    /// The protocol of a frame with this ethertype and, where it is an IP packet, this protocol number.
    pub const fn of(ethertype: u16, protocol: u8) -> Self {
        match ethertype {
            number::IPV4 | number::IPV6 => Self::Ip(protocol),
            other => Self::Ethernet(other),
        }
    }

    /// Whether it has ports.
    pub fn has_ports(self) -> bool {
        [Self::TCP, Self::UDP, Self::SCTP].contains(&self)
    }

    /// Whether it is ICMP of either family.
    pub const fn is_icmp(self) -> bool {
        matches!(self, Self::Ip(number::ICMP | number::ICMPV6))
    }

    /// Reads a name in any case, the number of an IP protocol, or what is printed for those without a
    /// name.
    pub fn parse(text: &str) -> Option<Self> {
        let mut named = NAMES.iter();
        if let Some((protocol, _)) = named.find(|(_, name)| name.eq_ignore_ascii_case(text)) {
            return Some(*protocol);
        }
        if let Some(digits) = text.strip_prefix("ethertype 0x") {
            return u16::from_str_radix(digits, 16).ok().map(Self::Ethernet);
        }
        let digits = text.strip_prefix("IP protocol ").unwrap_or(text);
        digits.parse().ok().map(Self::Ip)
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((_, name)) = NAMES.iter().find(|(protocol, _)| protocol == self) {
            return f.pad(name);
        }
        match self {
            Self::Ip(number) => write!(f, "IP protocol {number}"),
            Self::Ethernet(ethertype) => write!(f, "ethertype 0x{ethertype:04x}"),
        }
    }
}

/// Type and code of an ICMP message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Icmp {
    /// Its type.
    pub kind: u8,
    /// Its code.
    pub code: u8,
}

/// The flags of a TCP header, as its byte has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TcpFlags(pub u8);

/// In the order of tcpdump; `.` is ACK.
const FLAGS: [(u8, char); 8] = [
    (0x01, 'F'),
    (0x02, 'S'),
    (0x04, 'R'),
    (0x08, 'P'),
    (0x10, '.'),
    (0x20, 'U'),
    (0x40, 'E'),
    (0x80, 'W'),
];

impl TcpFlags {
    /// Reads what is printed; `None` for other letters.
    pub fn parse(text: &str) -> Option<Self> {
        let mut flags = 0;
        for letter in text.chars().filter(|_| text != "none") {
            flags |= FLAGS.iter().find(|(_, one)| *one == letter)?.0;
        }
        Some(Self(flags))
    }
}

/// As tcpdump prints them: `S`, `S.`, `P.`, `none`.
impl fmt::Display for TcpFlags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0 {
            return f.write_str("none");
        }
        let mut set = FLAGS.iter().filter(|(bit, _)| self.0 & bit != 0);
        set.try_for_each(|(_, letter)| write!(f, "{letter}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_protocol_is_read_as_it_is_printed() {
        let ip = (0..=u8::MAX).map(Protocol::Ip);
        for protocol in ip.chain((0..=u16::MAX).map(Protocol::Ethernet)) {
            assert_eq!(Protocol::parse(&protocol.to_string()), Some(protocol));
        }
        assert_eq!(Protocol::parse("tcp"), Some(Protocol::TCP));
        assert_eq!(Protocol::parse("47"), Some(Protocol::Ip(47)));
        for wrong in ["", "http", "256", "-1", "ethertype 0x12345"] {
            assert_eq!(Protocol::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn flags_are_read_as_they_are_printed() {
        for flags in (0..=u8::MAX).map(TcpFlags) {
            assert_eq!(TcpFlags::parse(&flags.to_string()), Some(flags));
        }
        assert_eq!(TcpFlags(0x12).to_string(), "S.");
        assert_eq!(TcpFlags::parse("x"), None);
    }

    #[test]
    fn the_number_of_a_protocol_means_nothing_in_frames_that_are_not_ip() {
        assert_eq!(Protocol::of(number::IPV6, 6), Protocol::TCP);
        assert_eq!(Protocol::of(number::ARP, 6).to_string(), "ARP");
    }
}
