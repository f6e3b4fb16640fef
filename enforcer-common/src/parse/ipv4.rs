//! IPv4 (RFC 791).

use core::cmp::Ordering;

use super::{Ip, NETWORK, Piece};
use crate::abi::limits::IPV4_OPTIONS;
use crate::packet::Packet;
use crate::reason::Reason;

const MORE_FRAGMENTS: u16 = 0x2000;
const OFFSET: u16 = 0x1fff;
const MIN_HEADER: u32 = 20;

/// The IPv4 header.
#[inline(always)]
pub fn parse(packet: &impl Packet) -> Result<Ip<1>, Reason> {
    fields(packet)
        .ok_or(Reason::Malformed)
        .and_then(|ip| check(packet, ip))
}

#[derive(Clone, Copy)]
struct Fields {
    header: u32,
    total: u32,
    identification: u16,
    fragment: u16,
    ip: Ip<1>,
}

#[inline(always)]
fn fields(packet: &impl Packet) -> Option<Fields> {
    let version = packet.head_u8(NETWORK)?;
    if version >> 4 != 4 {
        return None;
    }
    let header = u32::from(version & 0xf) * 4;
    let [source, destination] = packet.head_words::<2>(NETWORK + 12)?;
    Some(Fields {
        header,
        total: u32::from(packet.head_u16(NETWORK + 2)?),
        identification: packet.head_u16(NETWORK + 4)?,
        fragment: packet.head_u16(NETWORK + 6)?,
        ip: Ip {
            source: [source],
            destination: [destination],
            protocol: packet.head_u8(NETWORK + 9)?,
            hops: packet.head_u8(NETWORK + 8)?,
            transport: NETWORK as u32 + header,
            end: 0,
            piece: Piece::WHOLE,
        },
    })
}

#[inline(always)]
fn check(packet: &impl Packet, fields: Fields) -> Result<Ip<1>, Reason> {
    let Fields {
        header,
        total,
        identification,
        fragment,
        mut ip,
    } = fields;
    // A GSO packet beyond 64 KiB ("BIG TCP") has a total length of 0.
    ip.end = if total == 0 && packet.segmented() {
        packet.length()
    } else {
        NETWORK as u32 + total
    };
    if header < MIN_HEADER || ip.end > packet.length() || ip.transport > ip.end {
        return Err(Reason::Malformed);
    }
    if header > MIN_HEADER {
        options(packet, header)?;
    }
    if fragment & (MORE_FRAGMENTS | OFFSET) != 0 {
        ip.piece = Piece {
            partial: true,
            offset: fragment & OFFSET,
            identification: u32::from(identification),
            start: ip.transport,
        };
    }
    Ok(ip)
}

/// Loose and strict source routes (RFC 791 §3.1) send the packet elsewhere than its destination
/// field says. All other options change nothing that policies speak about. A packet with more
/// options than are walked may hide one.
#[inline(always)]
fn options(packet: &impl Packet, header: u32) -> Result<(), Reason> {
    const END: u8 = 0;
    const PADDING: u8 = 1;
    const LOOSE_ROUTE: u8 = 131;
    const STRICT_ROUTE: u8 = 137;
    let mut offset = MIN_HEADER;
    for _ in 0..IPV4_OPTIONS {
        if offset >= header {
            break;
        }
        let at = NETWORK as u32 + offset;
        match packet.u8_at(at).ok_or(Reason::Malformed)? {
            END => return Ok(()),
            PADDING => offset += 1,
            LOOSE_ROUTE | STRICT_ROUTE => return Err(Reason::SourceRouted),
            _ => match packet.u8_at(at + 1).ok_or(Reason::Malformed)? {
                0 | 1 => return Err(Reason::Malformed),
                length => offset += u32::from(length),
            },
        }
    }
    match offset.cmp(&header) {
        Ordering::Less => Err(Reason::ExtensionHeaders),
        Ordering::Equal => Ok(()),
        // The last option is longer than what is left for it.
        Ordering::Greater => Err(Reason::Malformed),
    }
}
