//! What to ask the table.

use std::net::Ipv4Addr;

use netlink_packet_core::{
    DefaultNla, Emitable as _, NLA_F_NESTED, NLM_F_DUMP, NLM_F_REQUEST, NetlinkHeader,
    NetlinkMessage, NetlinkPayload, NetlinkSerializable,
};

use super::Part;
use super::attribute::{cta, filter, ip, tuple};

/// `IPCTNL_MSG_CT_GET` of the subsystem `NFNL_SUBSYS_CTNETLINK`, which is in the high byte.
const GET: u16 = 0x0101;

/// `NFPROTO_*`.
mod family {
    pub(super) const ANY: u8 = 0;
    pub(super) const IPV4: u8 = 2;
    pub(super) const IPV6: u8 = 10;
}

/// The request for a list, netlink header included.
pub(super) fn list(part: Part) -> Vec<u8> {
    let mut header = NetlinkHeader::default();
    header.flags = NLM_F_REQUEST | NLM_F_DUMP;
    let mut message = NetlinkMessage::new(header, NetlinkPayload::InnerMessage(body(part)));
    message.finalize();
    let mut bytes = vec![0; message.buffer_len()];
    message.serialize(&mut bytes);
    bytes
}

fn body(part: Part) -> Question {
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
    Question { family, attributes }
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
    family: u8,
    attributes: Vec<DefaultNla>,
}

impl NetlinkSerializable for Question {
    fn message_type(&self) -> u16 {
        GET
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
