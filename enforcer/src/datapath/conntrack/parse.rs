//! One entry of the table from its bytes.

use std::net::IpAddr;

use enforcer_common::parse::number;
use netlink_packet_core::{NlaBuffer, NlasIterator};

use super::attribute::{cta, ip, proto, protoinfo, tuple};
use super::{Entry, Ports, State, Tuple};

/// Length of `struct nfgenmsg`, which is before the attributes.
const HEADER: usize = 4;

/// `IP_CT_TCP_FLAG_BE_LIBERAL`: set in both directions of a connection that was picked up in its
/// middle, whose windows nobody knows.
const BE_LIBERAL: u8 = 8;

/// Reads a message of type `IPCTNL_MSG_CT_NEW`, without its netlink header. `None` for an entry
/// that tells nothing here: of a zone, of another ICMP message than an echo, or cut off.
///
/// Zones are tables within the table, for networks that share addresses; which of them a pod's
/// packets are in is a matter of the rules that made them.
pub fn entry(message: &[u8]) -> Option<Entry> {
    let (mut original, mut reply, mut state) = (None, None, State::Open);
    for attribute in attributes(message.get(HEADER..)?) {
        match attribute.kind() {
            cta::TUPLE_ORIG => original = Some(half(attribute.value())?),
            cta::TUPLE_REPLY => reply = Some(half(attribute.value())?),
            cta::PROTOINFO => state = progress(attribute.value()),
            cta::ZONE => return None,
            _ => {}
        }
    }
    let ((protocol, original), (other, reply)) = (original?, reply?);
    (protocol == other).then_some(Entry {
        protocol,
        original,
        reply,
        state,
    })
}

/// The attributes up to the first that is cut off.
fn attributes(bytes: &[u8]) -> impl Iterator<Item = NlaBuffer<&[u8]>> {
    NlasIterator::new(bytes).map_while(Result::ok)
}

/// Protocol and addresses of one direction.
fn half(bytes: &[u8]) -> Option<(u8, Tuple)> {
    let (mut ends, mut transport) = (None, None);
    for attribute in attributes(bytes) {
        match attribute.kind() {
            tuple::IP => ends = addresses(attribute.value()),
            tuple::PROTO => transport = ports(attribute.value()),
            tuple::ZONE => return None,
            _ => {}
        }
    }
    let ((source, destination), (protocol, ports)) = (ends?, transport?);
    let tuple = Tuple {
        source,
        destination,
        ports,
    };
    Some((protocol, tuple))
}

fn addresses(bytes: &[u8]) -> Option<(IpAddr, IpAddr)> {
    let (mut source, mut destination) = (None, None);
    for attribute in attributes(bytes) {
        let value = attribute.value();
        match attribute.kind() {
            ip::V4_SRC => source = array::<4>(value).map(IpAddr::from),
            ip::V4_DST => destination = array::<4>(value).map(IpAddr::from),
            ip::V6_SRC => source = array::<16>(value).map(IpAddr::from),
            ip::V6_DST => destination = array::<16>(value).map(IpAddr::from),
            _ => {}
        }
    }
    let (source, destination) = (source?, destination?);
    (source.is_ipv4() == destination.is_ipv4()).then_some((source, destination))
}

fn ports(bytes: &[u8]) -> Option<(u8, Ports)> {
    const ECHOES: [u8; 4] = [0, 8, 128, 129];
    let (mut protocol, mut source, mut destination) = (None, None, None);
    let (mut identifier, mut message) = (None, None);
    for attribute in attributes(bytes) {
        let value = attribute.value();
        match attribute.kind() {
            proto::NUM => protocol = byte(value),
            proto::SRC_PORT => source = port(value),
            proto::DST_PORT => destination = port(value),
            proto::ICMP_ID | proto::ICMPV6_ID => identifier = port(value),
            proto::ICMP_TYPE | proto::ICMPV6_TYPE => message = byte(value),
            _ => {}
        }
    }
    let protocol = protocol?;
    let ports = match protocol {
        number::ICMP | number::ICMPV6 => {
            message.filter(|message| ECHOES.contains(message))?;
            Ports::Echo(identifier?)
        }
        number::TCP | number::UDP | number::SCTP => Ports::Pair(source?, destination?),
        _ => match (source, destination) {
            (None, None) => Ports::None,
            (source, destination) => Ports::Pair(source?, destination?),
        },
    };
    Some((protocol, ports))
}

/// What the protocol's own state says: `enum tcp_conntrack`, `enum sctp_conntrack`.
fn progress(bytes: &[u8]) -> State {
    let read = |attribute: NlaBuffer<&[u8]>| match attribute.kind() {
        protoinfo::TCP => tcp_progress(attribute.value()),
        protoinfo::SCTP => sctp_progress(attribute.value()),
        _ => State::Open,
    };
    attributes(bytes).next().map_or(State::Open, read)
}

fn tcp_progress(bytes: &[u8]) -> State {
    // FIN_WAIT, CLOSE_WAIT, LAST_ACK, TIME_WAIT, CLOSE.
    const CLOSING: std::ops::RangeInclusive<u8> = 4..=8;
    let (mut state, mut liberal) = (0, [false; 2]);
    for attribute in attributes(bytes) {
        // `struct nf_ct_tcp_flags`: the flags and which of them to look at.
        let flag = || byte_at(attribute.value(), 0) & BE_LIBERAL != 0;
        match attribute.kind() {
            protoinfo::STATE => state = byte_at(attribute.value(), 0),
            protoinfo::TCP_FLAGS_ORIGINAL => liberal[0] = flag(),
            protoinfo::TCP_FLAGS_REPLY => liberal[1] = flag(),
            _ => {}
        }
    }
    if liberal == [true; 2] {
        State::PickedUp
    } else if CLOSING.contains(&state) {
        State::Closing
    } else {
        State::Open
    }
}

fn sctp_progress(bytes: &[u8]) -> State {
    let state = attributes(bytes).find(|attribute| attribute.kind() == protoinfo::STATE);
    match state.map_or(0, |attribute| byte_at(attribute.value(), 0)) {
        // CLOSED, SHUTDOWN_SENT, SHUTDOWN_RECD, SHUTDOWN_ACK_SENT.
        1 | 5..=7 => State::Closing,
        // HEARTBEAT_SENT, HEARTBEAT_ACKED: another path of an association that is elsewhere.
        8 | 9 => State::PickedUp,
        _ => State::Open,
    }
}

fn array<const N: usize>(value: &[u8]) -> Option<[u8; N]> {
    value.try_into().ok()
}

fn byte(value: &[u8]) -> Option<u8> {
    value.first().copied()
}

fn byte_at(value: &[u8], index: usize) -> u8 {
    value.get(index).copied().unwrap_or(0)
}

/// Ports and identifiers are big-endian.
fn port(value: &[u8]) -> Option<u16> {
    array(value).map(u16::from_be_bytes)
}

#[cfg(test)]
mod tests;
