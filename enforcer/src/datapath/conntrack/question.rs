//! What to ask the table.

use std::net::{IpAddr, Ipv4Addr};

use netlink_packet_core::{
    DefaultNla, Emitable as _, NLA_F_NESTED, NLM_F_ACK, NLM_F_DUMP, NLM_F_REQUEST, NetlinkHeader,
    NetlinkMessage, NetlinkPayload, NetlinkSerializable,
};

use super::attribute::{cta, filter, ip, proto, tuple};
use super::{Answers, Part};

/// `IPCTNL_MSG_CT_GET` of the subsystem `NFNL_SUBSYS_CTNETLINK`, which is in the high byte.
const GET: u16 = 0x0101;
/// `IPCTNL_MSG_CT_DELETE`. One without a direction would empty the table.
const DELETE: u16 = 0x0102;

/// `NFPROTO_*`.
mod family {
    pub(super) const ANY: u8 = 0;
    pub(super) const IPV4: u8 = 2;
    pub(super) const IPV6: u8 = 10;
}

/// The request for a list, netlink header included.
pub(super) fn list(part: Part) -> Vec<u8> {
    let (family, attributes) = match part {
        Part::Whole => (family::ANY, Vec::new()),
        Part::V6 => (family::IPV6, Vec::new()),
        Part::OpenedBy(address) => (
            family::IPV4,
            with_source(address, cta::TUPLE_ORIG, [filter::SOURCE, 0]),
        ),
        Part::OpenedTo(address) => (
            family::IPV4,
            with_source(address, cta::TUPLE_REPLY, [0, filter::SOURCE]),
        ),
    };
    let flags = NLM_F_REQUEST | NLM_F_DUMP;
    message(GET, flags, family, attributes)
}

/// The request for the connection with these answers. Gives an entry or an error.
pub(super) fn find(answers: &Answers) -> Vec<u8> {
    one(GET, NLM_F_REQUEST, answers)
}

/// The request to remove it, which is answered by an error number, 0 for success.
pub(super) fn remove(answers: &Answers) -> Vec<u8> {
    one(DELETE, NLM_F_REQUEST | NLM_F_ACK, answers)
}

fn one(kind: u16, flags: u16, answers: &Answers) -> Vec<u8> {
    let Answers { protocol, from, to } = *answers;
    let address = |v4, v6, address| match address {
        IpAddr::V4(address) => DefaultNla::new(v4, address.octets().to_vec()),
        IpAddr::V6(address) => DefaultNla::new(v6, address.octets().to_vec()),
    };
    let port = |kind, port: u16| DefaultNla::new(kind, port.to_be_bytes().to_vec());
    let ends = [
        address(ip::V4_SRC, ip::V6_SRC, from.ip()),
        address(ip::V4_DST, ip::V6_DST, to.ip()),
    ];
    let transport = [
        DefaultNla::new(proto::NUM, vec![protocol]),
        port(proto::SRC_PORT, from.port()),
        port(proto::DST_PORT, to.port()),
    ];
    let halves = [nested(tuple::IP, &ends), nested(tuple::PROTO, &transport)];
    let family = if from.is_ipv4() {
        family::IPV4
    } else {
        family::IPV6
    };
    message(kind, flags, family, vec![nested(cta::TUPLE_REPLY, &halves)])
}

fn message(kind: u16, flags: u16, family: u8, attributes: Vec<DefaultNla>) -> Vec<u8> {
    let mut header = NetlinkHeader::default();
    header.flags = flags;
    let question = Question {
        kind,
        family,
        attributes,
    };
    let mut message = NetlinkMessage::new(header, NetlinkPayload::InnerMessage(question));
    message.finalize();
    let mut bytes = vec![0; message.buffer_len()];
    message.serialize(&mut bytes);
    bytes
}

/// Entries of which the direction `tuple` has this source; `flags` say so for both directions.
fn with_source(address: Ipv4Addr, direction: u16, flags: [u32; 2]) -> Vec<DefaultNla> {
    let source = DefaultNla::new(ip::V4_SRC, address.octets().to_vec());
    let [original, reply] = flags.map(|flags| flags.to_ne_bytes().to_vec());
    let flags = [
        DefaultNla::new(filter::ORIG_FLAGS, original),
        DefaultNla::new(filter::REPLY_FLAGS, reply),
    ];
    vec![
        nested(direction, &[nested(tuple::IP, &[source])]),
        nested(cta::FILTER, &flags),
    ]
}

fn nested(kind: u16, attributes: &[DefaultNla]) -> DefaultNla {
    let mut bytes = vec![0; attributes.buffer_len()];
    attributes.emit(&mut bytes);
    DefaultNla::new(kind | NLA_F_NESTED, bytes)
}

/// A `struct nfgenmsg` and attributes.
struct Question {
    kind: u16,
    family: u8,
    attributes: Vec<DefaultNla>,
}

impl NetlinkSerializable for Question {
    fn message_type(&self) -> u16 {
        self.kind
    }
    fn buffer_len(&self) -> usize {
        4 + self.attributes.as_slice().buffer_len()
    }
    fn serialize(&self, buffer: &mut [u8]) {
        let (header, attributes) = buffer.split_at_mut(4);
        header.copy_from_slice(&[self.family, 0, 0, 0]);
        self.attributes.as_slice().emit(attributes);
    }
}

#[cfg(test)]
mod tests {
    use super::super::attribute::tuple::{IP, PROTO};
    use super::*;

    /// The attributes of a message, or of one of them.
    fn attributes(bytes: &[u8]) -> Vec<(u16, Vec<u8>)> {
        let found = netlink_packet_core::NlasIterator::new(bytes);
        let found = found.map(|one| one.map(|one| (one.kind(), one.value().to_vec())));
        found.collect::<Result<_, _>>().unwrap()
    }

    /// A removal that names no direction would empty the whole table.
    #[test]
    fn a_removal_names_both_ends_of_one_connection() {
        for (from, to, kinds) in [
            ("10.0.0.2:8080", "10.0.0.1:5000", [ip::V4_SRC, ip::V4_DST]),
            ("[fd00::2]:80", "[fd00::1]:5000", [ip::V6_SRC, ip::V6_DST]),
        ] {
            let answers = Answers {
                protocol: 17,
                from: from.parse().unwrap(),
                to: to.parse().unwrap(),
            };
            let bytes = remove(&answers);
            let top = attributes(&bytes[20..]);
            assert_eq!(top.len(), 1);
            assert_eq!(top[0].0, cta::TUPLE_REPLY);
            let halves = attributes(&top[0].1);
            assert_eq!([halves[0].0, halves[1].0], [IP, PROTO]);
            let octets = |ip: IpAddr| match ip {
                IpAddr::V4(ip) => ip.octets().to_vec(),
                IpAddr::V6(ip) => ip.octets().to_vec(),
            };
            let expected = [
                (kinds[0], octets(answers.from.ip())),
                (kinds[1], octets(answers.to.ip())),
            ];
            assert_eq!(attributes(&halves[0].1), expected);
            let expected = [
                (proto::NUM, vec![17]),
                (proto::SRC_PORT, answers.from.port().to_be_bytes().to_vec()),
                (proto::DST_PORT, answers.to.port().to_be_bytes().to_vec()),
            ];
            assert_eq!(attributes(&halves[1].1), expected);
        }
    }
}
