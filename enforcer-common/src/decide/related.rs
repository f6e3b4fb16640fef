//! ICMP errors pass when the packet that they quote belongs to a tracked flow.

use super::Context;
use super::family::Family;
use crate::abi::{Direction, Flow, FlowKey};
use crate::packet::{Packet, halves};
use crate::parse::{Ip, number};
use crate::tables::{AddressTables, EndpointView, Tables};

/// Length of the ICMP header before the quoted packet, in both families.
const ICMP_HEADER: u32 = 8;

/// The quoted packet, as far as errors quote it (RFC 792: the header and 8 bytes).
struct Quoted<const W: usize> {
    source: [u32; W],
    destination: [u32; W],
    protocol: u8,
    transport: u32,
}

/// Whether the error at `ip` is about a flow of the endpoint that is allowed now.
///
/// The pod hears errors about what it sent and sends errors about what it received. Quotes with
/// IPv6 extension headers or of fragments are not followed: such errors need a rule.
#[inline(always)]
pub(super) fn is_about_a_flow<const W: usize, P: Packet, T: Tables + AddressTables<W>>(
    cx: Context<'_, P, T>,
    ip: &Ip<W>,
) -> bool
where
    [u32; W]: Family,
{
    flow_of_quote(cx, ip).is_some_and(|flow| {
        flow.endpoint == cx.endpoint.id() && flow.revision == cx.endpoint.revision(flow.direction())
    })
}

#[inline(always)]
fn flow_of_quote<const W: usize, P: Packet, T: Tables + AddressTables<W>>(
    cx: Context<'_, P, T>,
    ip: &Ip<W>,
) -> Option<Flow>
where
    [u32; W]: Family,
{
    let quoted = quoted::<W>(cx.packet, ip.transport + ICMP_HEADER)?;
    let [first, second] = cx.packet.words_at::<2>(quoted.transport)?;
    let (source, destination) = match quoted.protocol {
        number::TCP | number::UDP | number::SCTP => halves(first),
        // Only a request can be quoted with the identifier on its source side.
        number::ICMP | number::ICMPV6 => (halves(second).0, 8),
        _ => (0, 0),
    };
    let (source, destination) = (u32::from(source), u32::from(destination));
    let protocol = u32::from(quoted.protocol);
    let key = match cx.hook {
        Direction::Ingress => FlowKey {
            pod: quoted.source,
            peer: quoted.destination,
            ports: source << 16 | destination,
            protocol,
        },
        Direction::Egress => FlowKey {
            pod: quoted.destination,
            peer: quoted.source,
            ports: destination << 16 | source,
            protocol,
        },
    };
    if !key.pod.is_address_of(cx.endpoint) {
        return None;
    }
    AddressTables::<W>::flow(cx.tables, &key)
}

#[inline(always)]
fn quoted<const W: usize>(packet: &impl Packet, at: u32) -> Option<Quoted<W>> {
    let version = packet.u8_at(at)?;
    let (addresses, protocol, header) = match (W, version >> 4) {
        (1, 4) => (12, 9, u32::from(version & 0xf) * 4),
        (4, 6) => (8, 6, 40),
        _ => return None,
    };
    Some(Quoted {
        source: packet.words_at(at + addresses)?,
        destination: packet.words_at(at + addresses + 4 * W as u32)?,
        protocol: packet.u8_at(at + protocol)?,
        transport: at + header,
    })
}
