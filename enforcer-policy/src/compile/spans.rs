//! Sets of (protocol, port), as sorted, disjoint, merged spans of one number line.
//!
//! The three protocols with ports lie one after the other on the line, in the order of their IANA
//! numbers: TCP 0–65535, UDP from 65536, SCTP from 131072.

use enforcer_common::abi::PortRange;

use crate::rule::Protocol;

/// From the first number to the last, inclusive.
pub(super) type Span = (u32, u32);

const PORTS: u32 = 1 << 16;

/// The whole line.
pub(super) const EVERYTHING: Span = (0, 3 * PORTS - 1);

fn base(protocol: Protocol) -> u32 {
    match protocol {
        Protocol::Tcp => 0,
        Protocol::Udp => PORTS,
        Protocol::Sctp => 2 * PORTS,
    }
}

/// The ports from `low` to `high` of a protocol.
pub(super) fn span(protocol: Protocol, low: u16, high: u16) -> Span {
    (
        base(protocol) + u32::from(low),
        base(protocol) + u32::from(high),
    )
}

/// Sorts and merges what overlaps or touches.
pub(super) fn merged(mut spans: Vec<Span>) -> Vec<Span> {
    spans.sort_unstable();
    spans.dedup_by(|next, kept| {
        let joins = next.0 <= kept.1 + 1;
        if joins {
            kept.1 = kept.1.max(next.1);
        }
        joins
    });
    spans
}

/// What is in either.
pub(super) fn union(a: &[Span], b: &[Span]) -> Vec<Span> {
    merged([a, b].concat())
}

/// What is in both.
pub(super) fn intersection(a: &[Span], b: &[Span]) -> Vec<Span> {
    let (mut i, mut j) = (0, 0);
    let mut both = Vec::new();
    while let (Some(x), Some(y)) = (a.get(i), b.get(j)) {
        let (low, high) = (x.0.max(y.0), x.1.min(y.1));
        if low <= high {
            both.push((low, high));
        }
        if x.1 < y.1 {
            i += 1;
        } else {
            j += 1;
        }
    }
    both
}

/// What is in neither.
pub(super) fn complement(spans: &[Span]) -> Vec<Span> {
    let mut gaps = Vec::new();
    let mut next = EVERYTHING.0;
    for &(low, high) in spans {
        if next < low {
            gaps.push((next, low - 1));
        }
        next = high + 1;
    }
    if next <= EVERYTHING.1 {
        gaps.push((next, EVERYTHING.1));
    }
    gaps
}

/// What is in `a` and not in `b`.
pub(super) fn difference(a: &[Span], b: &[Span]) -> Vec<Span> {
    intersection(a, &complement(b))
}

/// Whether all of `a` is in `b`.
pub(super) fn includes(b: &[Span], a: &[Span]) -> bool {
    difference(a, b).is_empty()
}

/// The port list that gives these spans an action: spans are cut where a protocol ends.
pub(super) fn to_ranges(spans: &[Span], allow: bool) -> Vec<PortRange> {
    let mut ranges = Vec::with_capacity(spans.len());
    for protocol in Protocol::ALL {
        let line = span(protocol, 0, u16::MAX);
        for (low, high) in intersection(spans, &[line]) {
            ranges.push(PortRange {
                protocol: protocol.number(),
                allow: u8::from(allow),
                low: port(low),
                high: port(high),
                reserved: 0,
            });
        }
    }
    ranges
}

/// The port at a place of the line.
fn port(place: u32) -> u16 {
    let [_, _, high, low] = place.to_be_bytes();
    u16::from_be_bytes([high, low])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_that_touch_or_overlap_are_one() {
        assert_eq!(merged(vec![(5, 9), (1, 2), (3, 4), (7, 12)]), [(1, 12)]);
        assert_eq!(merged(vec![(5, 9), (1, 3)]), [(1, 3), (5, 9)]);
    }

    #[test]
    fn the_complement_has_both_ends() {
        assert_eq!(complement(&[]), [EVERYTHING]);
        assert_eq!(complement(&[EVERYTHING]), []);
        assert_eq!(complement(&[(0, 0), (5, 6)]), [(1, 4), (7, EVERYTHING.1)]);
    }

    #[test]
    fn a_difference_keeps_what_only_the_first_has() {
        assert_eq!(difference(&[(0, 9)], &[(3, 4), (9, 20)]), [(0, 2), (5, 8)]);
        assert!(includes(&[(0, 9)], &[(0, 2), (9, 9)]));
        assert!(!includes(&[(0, 9)], &[(9, 10)]));
    }

    #[test]
    fn port_lists_are_cut_where_a_protocol_ends() {
        let tcp = span(Protocol::Tcp, 65535, 65535);
        let udp = span(Protocol::Udp, 0, 0);
        let ranges = to_ranges(&merged(vec![tcp, udp]), true);
        let range = |protocol, port| PortRange {
            protocol,
            allow: 1,
            low: port,
            high: port,
            reserved: 0,
        };
        assert_eq!(ranges, [range(6, 65535), range(17, 0)]);
    }
}
