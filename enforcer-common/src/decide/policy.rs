//! What the policy of one direction says about a new flow.

use super::Context;
use crate::abi::address::{ANY_PEER, LOCAL_NODE, NO_NODE};
use crate::abi::endpoint::NOT_ISOLATED;
use crate::abi::limits::PORT_SEARCH_STEPS;
use crate::abi::{Direction, Endpoint, Peer, PortRange, Verdict, VerdictKey};
use crate::packet::Packet;
use crate::parse::number;
use crate::reason::Reason;
use crate::tables::{AddressTables, EndpointView, Tables};

/// What is asked.
#[derive(Clone, Copy)]
pub(super) struct Wanted {
    /// The direction in which the flow was opened.
    pub(super) direction: Direction,
    /// IANA protocol number.
    pub(super) protocol: u8,
    /// The destination port.
    pub(super) port: u16,
    /// The flow was deferred before: its destination goes on being translated, even when it is no
    /// service's address any more.
    pub(super) translated: bool,
}

/// A decision and what it rests on.
#[derive(Clone, Copy)]
pub(super) struct Decision {
    /// Passes, or why not.
    pub(super) reason: Reason,
    /// The peer's identity.
    pub(super) identity: u32,
    /// The policy set that was asked.
    pub(super) set: u32,
    /// Passes here, because somebody else's policy or address is behind the destination: the node
    /// may translate it. Decided again where that has happened.
    pub(super) deferred: bool,
}

/// Decides about a flow.
#[inline(always)]
pub(super) fn decide<const W: usize, P: Packet, T: Tables + AddressTables<W>>(
    cx: Context<'_, P, T>,
    peer: &[u32; W],
    wanted: Wanted,
) -> Decision {
    let Wanted {
        direction,
        protocol,
        port,
        translated,
    } = wanted;
    let set = cx.endpoint.set(direction);
    let held = cx.endpoint.flags() & Endpoint::DENY_ALL != 0;
    let open = set == NOT_ISOLATED && !held;
    let may_defer = direction == Direction::Egress && cx.sender.is_none();
    if open && !may_defer {
        return Decision {
            reason: Reason::NotIsolated,
            identity: ANY_PEER,
            set,
            deferred: false,
        };
    }
    let peer: Peer = AddressTables::<W>::peer(cx.tables, peer);
    let to_node =
        direction == Direction::Egress && is_own_node(cx.endpoint, peer) && !cx.is_at_another_pod();
    let to_service = peer.flags & Peer::SERVICE != 0 || translated;
    let reason = if open {
        Reason::NotIsolated
    } else if to_node {
        Reason::OwnNode
    } else if held {
        if cx.endpoint.flags() & Endpoint::PENDING != 0 {
            Reason::PendingDenied
        } else {
            Reason::DoesNotFit
        }
    } else if may_defer && to_service {
        Reason::Deferred
    } else if cx.tables.allows(
        &VerdictKey {
            set,
            identity: peer.identity,
        },
        protocol,
        port,
    ) {
        Reason::Allowed
    } else {
        Reason::PolicyDenied
    };
    Decision {
        reason,
        identity: peer.identity,
        set,
        deferred: may_defer && (to_node || to_service),
    }
}

/// Whether an address is one of the endpoint's node.
#[inline(always)]
pub(super) fn is_towards_own_node<const W: usize, P: Packet, T: Tables + AddressTables<W>>(
    cx: Context<'_, P, T>,
    address: &[u32; W],
) -> bool {
    is_own_node(cx.endpoint, AddressTables::<W>::peer(cx.tables, address))
}

/// Whether an address is a service's.
#[inline(always)]
pub(super) fn is_service<const W: usize, P: Packet, T: Tables + AddressTables<W>>(
    cx: Context<'_, P, T>,
    address: &[u32; W],
) -> bool {
    AddressTables::<W>::peer(cx.tables, address).flags & Peer::SERVICE != 0
}

/// Towards the pod this is asked of the packet's ingress link instead: an address can be the
/// node's because the node translated somebody else's.
#[inline(always)]
fn is_own_node(endpoint: impl EndpointView, peer: Peer) -> bool {
    peer.node == LOCAL_NODE || (peer.node != NO_NODE && peer.node == endpoint.node())
}

/// Whether a policy set lets an identity reach a port, or a protocol without ports.
#[inline(always)]
pub fn allows<T: Tables>(tables: &T, key: &VerdictKey, protocol: u8, port: u16) -> bool {
    let rest = VerdictKey {
        set: key.set,
        identity: ANY_PEER,
    };
    let verdict = match tables.verdict(key) {
        None => tables.verdict(&rest),
        own => own,
    };
    let Some(verdict) = verdict else { return false };
    if verdict.length == 0 || !matches!(protocol, number::TCP | number::UDP | number::SCTP) {
        return verdict.default_allow != 0;
    }
    match covering(tables, verdict, protocol, port) {
        Some(range) => range.allow != 0,
        None => verdict.default_allow != 0,
    }
}

/// The interval that covers a port: a binary search for the last one that does not begin behind it.
#[inline(always)]
fn covering<T: Tables>(tables: &T, verdict: Verdict, protocol: u8, port: u16) -> Option<PortRange> {
    let wanted = order(protocol, port);
    let mut low = 0;
    let mut high = verdict.length;
    let mut found = None;
    for _ in 0..PORT_SEARCH_STEPS {
        if low >= high {
            break;
        }
        let middle = low + (high - low) / 2;
        let range = tables.port_range(verdict.offset.wrapping_add(middle))?;
        if order(range.protocol, range.low) <= wanted {
            found = Some(range);
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    found.filter(|range| range.protocol == protocol && port <= range.high)
}

#[inline(always)]
const fn order(protocol: u8, port: u16) -> u32 {
    (protocol as u32) << 16 | port as u32
}
