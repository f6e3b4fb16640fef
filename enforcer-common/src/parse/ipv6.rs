//! IPv6 and its extension headers (RFC 8200).

use super::{Ip, NETWORK, Piece};
use crate::abi::limits::EXTENSION_HEADERS;
use crate::packet::{Packet, halves};
use crate::reason::Reason;

const HEADER: u32 = 40;

mod next {
    pub(super) const HOP_BY_HOP: u8 = 0;
    pub(super) const ROUTING: u8 = 43;
    pub(super) const FRAGMENT: u8 = 44;
    pub(super) const AUTHENTICATION: u8 = 51;
    pub(super) const DESTINATION: u8 = 60;
}

/// The IPv6 header and all extension headers.
#[inline(always)]
pub fn parse(packet: &impl Packet) -> Result<Ip<4>, Reason> {
    let (ip, payload) = fields(packet).ok_or(Reason::Malformed)?;
    let mut ip = ip;
    // A GSO packet beyond 64 KiB ("BIG TCP") has a payload length of 0.
    ip.end = if payload == 0 && packet.segmented() {
        packet.length()
    } else {
        ip.transport + payload
    };
    if ip.end > packet.length() {
        return Err(Reason::Malformed);
    }
    if is_extension(ip.protocol) {
        walk(packet, ip)
    } else {
        Ok(ip)
    }
}

#[inline(always)]
fn fields(packet: &impl Packet) -> Option<(Ip<4>, u32)> {
    if packet.head_u8(NETWORK)? >> 4 != 6 {
        return None;
    }
    let ip = Ip {
        source: packet.head_words(NETWORK + 8)?,
        destination: packet.head_words(NETWORK + 24)?,
        protocol: packet.head_u8(NETWORK + 6)?,
        hops: packet.head_u8(NETWORK + 7)?,
        transport: NETWORK as u32 + HEADER,
        end: 0,
        piece: Piece::WHOLE,
    };
    Some((ip, u32::from(packet.head_u16(NETWORK + 4)?)))
}

/// Whether another header follows the header with this number, at a place that can be told.
#[inline(always)]
pub const fn is_extension(protocol: u8) -> bool {
    matches!(
        protocol,
        next::HOP_BY_HOP
            | next::ROUTING
            | next::FRAGMENT
            | next::AUTHENTICATION
            | next::DESTINATION
    )
}

#[inline(always)]
fn walk(packet: &impl Packet, mut ip: Ip<4>) -> Result<Ip<4>, Reason> {
    for _ in 0..EXTENSION_HEADERS {
        if !is_extension(ip.protocol) {
            return Ok(ip);
        }
        step(packet, &mut ip)?;
        if ip.transport > ip.end {
            return Err(Reason::Malformed);
        }
        // What follows in a later fragment is payload, whatever it looks like.
        if ip.piece.offset != 0 {
            return Ok(ip);
        }
    }
    if is_extension(ip.protocol) {
        Err(Reason::ExtensionHeaders)
    } else {
        Ok(ip)
    }
}

/// Steps over the extension header at `ip.transport`.
#[inline(always)]
fn step(packet: &impl Packet, ip: &mut Ip<4>) -> Result<(), Reason> {
    let [first, second] = packet
        .words_at::<2>(ip.transport)
        .ok_or(Reason::Malformed)?;
    let [following, length, _, segments_left] = first.to_ne_bytes();
    match ip.protocol {
        next::FRAGMENT => {
            let (_, field) = halves(first);
            ip.transport += 8;
            // A single fragment is a whole packet (RFC 6946).
            if field & 0xfff9 != 0 {
                ip.piece = Piece {
                    partial: true,
                    offset: field >> 3,
                    identification: second,
                    start: ip.transport,
                };
            }
        }
        next::ROUTING if segments_left != 0 => return Err(Reason::SourceRouted),
        next::AUTHENTICATION => ip.transport += (u32::from(length) + 2) * 4,
        _ => ip.transport += (u32::from(length) + 1) * 8,
    }
    ip.protocol = following;
    Ok(())
}
