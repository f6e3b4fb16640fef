//! Flows: replies follow them, and a change of policy has them judged again.

use super::family::Family;
use super::{Context, Outcome, policy};
use crate::abi::{Direction, Endpoint, Flow, FlowKey, Fragment, FragmentKey};
use crate::packet::Packet;
use crate::parse::{self, Ip, Kind, Phase, Transport, number};
use crate::reason::{Action, Reason};
use crate::tables::{AddressTables, EndpointView, Tables};

/// Reads the transport header: the packet's own, or for a later fragment what its first fragment
/// had. `transport` comes [`Transport::opaque`].
#[inline(always)]
pub(super) fn transport<const W: usize, P: Packet, T: Tables>(
    cx: Context<'_, P, T>,
    ip: &Ip<W>,
    transport: &mut Transport,
) -> Result<(), Reason>
where
    [u32; W]: Family,
{
    let piece = ip.piece;
    if !piece.partial {
        return parse::transport(cx.packet, ip, transport);
    }
    let key = FragmentKey {
        source: ip.source.widen(),
        destination: ip.destination.widen(),
        identification: piece.identification,
        protocol: if W == 1 {
            0x100 | u32::from(ip.protocol)
        } else {
            0
        },
        endpoint: cx.endpoint.id(),
    };
    if piece.offset == 0 {
        parse::transport(cx.packet, ip, transport)?;
        if transport.kind == Kind::Flow {
            let first = Fragment {
                ports: transport.ports,
                protocol: u16::from(transport.protocol),
                headers: (ip.transport - piece.start + parse::shortest_header(ip.protocol)) as u16,
            };
            cx.tables.put_fragment(&key, &first);
        }
        return Ok(());
    }
    let first = cx.tables.fragment(&key).ok_or(Reason::FragmentUnknown)?;
    transport.protocol = first.protocol as u8;
    transport.ports = first.ports;
    // RFC 3128: a fragment that would overwrite the transport header that was judged.
    if u32::from(piece.offset) * 8 < u32::from(first.headers) {
        return Err(Reason::FragmentEvasive);
    }
    Ok(())
}

/// Judges a packet of a flow, or a message that stands alone: that is only never tracked.
#[inline(always)]
pub(super) fn judge<const W: usize, P: Packet, T: Tables + AddressTables<W>>(
    cx: Context<'_, P, T>,
    ip: &Ip<W>,
    transport: Transport,
) -> Outcome {
    let phase = transport.phase;
    let key = key(cx.hook, ip, &transport);
    let now = cx.tables.now();
    // A set is asked only after the revision has been read: see `EndpointView`.
    let revisions = [
        cx.endpoint.revision(Direction::Ingress),
        cx.endpoint.revision(Direction::Egress),
    ];
    let tracked = transport.kind == Kind::Flow;
    let free = cx.endpoint.flags() & Endpoint::DENY_ALL == 0;
    let known = if tracked {
        known(cx, &key, now, phase)
    } else {
        None
    };
    let undecided = known.is_some_and(|flow| only_deferred(cx, flow));
    if let Some(flow) = known
        && flow.revision == of(revisions, flow.direction())
        && free
        && !undecided
    {
        touch(cx, &key, flow, now, phase);
        return established(cx, flow);
    }
    let direction = match known {
        Some(flow) => flow.direction(),
        None => opener(cx, &key, phase),
    };
    // An answer to the pod's own node, whose packets to the pod are not tracked: it passes, and must
    // not be tracked either, because the address could be that of a forwarded and translated client.
    if known.is_none()
        && cx.hook == Direction::Egress
        && direction == Direction::Ingress
        && policy::is_towards_own_node(cx, &key.peer)
    {
        // Its MAC address may lead it to another pod all the same.
        cx.defer();
        return Outcome::plain(Reason::OwnNode);
    }
    let decision = decide_both(cx, &key, direction, known, phase);
    if decision.reason.action() == Action::Drop {
        let reason = denial(decision.reason, known.is_some() && !undecided);
        return outcome(direction, reason, decision, false);
    }
    if decision.deferred {
        cx.defer();
    }
    // Nobody outside can make a flow one of the pod's own: only what the pod sends does.
    let foreign_guess = known.is_none() && direction == Direction::Egress && direction != cx.hook;
    // On another pod's link the node's address is not the node: there this must be asked again.
    let on_the_way = cx.sender.is_some() && decision.reason == Reason::OwnNode;
    if !tracked || foreign_guess || on_the_way {
        return outcome(direction, decision.reason, decision, false);
    }
    let flow = Flow {
        endpoint: cx.endpoint.id(),
        revision: of(revisions, direction),
        last_seen: now,
        initiator: direction as u8,
        state: state(phase, decision.deferred, undecided),
    };
    cx.tables.put_flow(&key, &flow);
    let opened = known.is_none() || undecided;
    outcome(direction, decision.reason, decision, opened)
}

/// Why a packet is denied: a flow that was allowed until now is revoked.
#[inline(always)]
fn denial(reason: Reason, was_allowed: bool) -> Reason {
    if was_allowed && reason == Reason::PolicyDenied {
        Reason::Revoked
    } else {
        reason
    }
}

#[inline(always)]
fn key<const W: usize>(hook: Direction, ip: &Ip<W>, transport: &Transport) -> FlowKey<W> {
    let protocol = u32::from(transport.protocol);
    match hook {
        Direction::Egress => FlowKey {
            pod: ip.source,
            peer: ip.destination,
            ports: transport.ports,
            protocol,
        },
        Direction::Ingress => FlowKey {
            pod: ip.destination,
            peer: ip.source,
            ports: parse::swap(transport.ports),
            protocol,
        },
    }
}

/// The element for a direction, without an index that the verifier would have to bound.
#[inline(always)]
pub(super) const fn of(pair: [u32; 2], direction: Direction) -> u32 {
    match direction {
        Direction::Ingress => pair[0],
        Direction::Egress => pair[1],
    }
}

#[inline(always)]
const fn outcome(
    direction: Direction,
    reason: Reason,
    decision: policy::Decision,
    opened: bool,
) -> Outcome {
    Outcome {
        reason,
        protocol: 0,
        ports: 0,
        direction,
        identity: decision.identity,
        set: decision.set,
        opened,
    }
}

/// A packet of a flow that was judged before.
#[inline(always)]
pub(super) fn established<P: Packet, T: Tables>(cx: Context<'_, P, T>, flow: Flow) -> Outcome {
    if flow.state & Flow::DEFERRED != 0 {
        cx.defer();
    }
    Outcome::plain(Reason::Established)
}

/// Whether a flow was only deferred so far, and this is where that must be decided: its destination
/// is still the same, so it is found under the same key.
#[inline(always)]
fn only_deferred<P, T: Tables>(cx: Context<'_, P, T>, flow: Flow) -> bool {
    cx.sender.is_some() && flow.state & (Flow::DEFERRED | Flow::UNTRANSLATED) == Flow::DEFERRED
}

#[inline(always)]
const fn state(phase: Phase, deferred: bool, untranslated: bool) -> u8 {
    let closing = if matches!(phase, Phase::Closing) {
        Flow::CLOSING
    } else {
        0
    };
    closing
        | match (deferred, untranslated) {
            (_, true) => Flow::DEFERRED | Flow::UNTRANSLATED,
            (true, false) => Flow::DEFERRED,
            (false, false) => 0,
        }
}

/// The tracked flow that the packet belongs to. None when it has expired, is an earlier pod's, or
/// when the packet opens a new connection from the other side with the same ports.
#[inline(always)]
fn known<const W: usize, P: Packet, T: Tables + AddressTables<W>>(
    cx: Context<'_, P, T>,
    key: &FlowKey<W>,
    now: u32,
    phase: Phase,
) -> Option<Flow> {
    let flow = AddressTables::<W>::flow(cx.tables, key, cx.endpoint.id())?;
    if phase == Phase::Opening && flow.direction() != cx.hook {
        return None;
    }
    if has_expired(&flow, key.protocol as u8, now, cx.tables.ticks_per_second()) {
        return None;
    }
    Some(flow)
}

/// By how many ticks a flow's last packet may lie in the future: another CPU dates the flow while this
/// one, which has read the clock before, judges a packet or has its virtual CPU taken away.
pub const AHEAD: u32 = 256;

/// Whether a flow is forgotten: it has had no packet for longer than its protocol's flows live.
/// `now` is in the ticks of [`Flow::last_seen`].
#[inline(always)]
pub const fn has_expired(flow: &Flow, protocol: u8, now: u32, ticks_per_second: u32) -> bool {
    let life = lifetime(protocol, flow.state).wrapping_mul(ticks_per_second);
    age(flow.last_seen, now) > life.wrapping_add(AHEAD)
}

/// How long ago a flow had its last packet, and [`AHEAD`] more: never negative.
#[inline(always)]
pub(crate) const fn age(last_seen: u32, now: u32) -> u32 {
    now.wrapping_sub(last_seen).wrapping_add(AHEAD)
}

/// Seconds without a packet after which a flow is forgotten: the defaults of the kernel's own
/// connection tracking (`nf_conntrack_*_timeout*`). `state` is [`Flow::state`].
#[inline(always)]
pub const fn lifetime(protocol: u8, state: u8) -> u32 {
    match protocol {
        number::TCP | number::SCTP if state & Flow::CLOSING != 0 => 120,
        number::TCP | number::SCTP => 432_000,
        number::UDP => 120,
        number::ICMP | number::ICMPV6 => 30,
        _ => 600,
    }
}

/// Writes only when something changed or a second has passed, so that a busy flow stays read-only.
#[inline(always)]
fn touch<const W: usize, P: Packet, T: Tables + AddressTables<W>>(
    cx: Context<'_, P, T>,
    key: &FlowKey<W>,
    mut flow: Flow,
    now: u32,
    phase: Phase,
) {
    let state = match phase {
        Phase::Opening => flow.state & !Flow::CLOSING,
        Phase::Open => flow.state,
        Phase::Closing => flow.state | Flow::CLOSING,
    };
    if state != flow.state || now.wrapping_sub(flow.last_seen) > cx.tables.ticks_per_second() {
        flow.state = state;
        flow.last_seen = now;
        cx.tables.put_flow(key, &flow);
    }
}

/// First of the ports that clients get from the kernel (`net.ipv4.ip_local_port_range`).
const EPHEMERAL: u32 = 32_768;

/// Who opened a flow that nobody tracked: the sender, unless it is from the middle of a connection
/// that began before the pod was isolated. Services open none; else the ports tell, as far as they
/// do.
#[inline(always)]
fn opener<const W: usize, P: Packet, T: Tables + AddressTables<W>>(
    cx: Context<'_, P, T>,
    key: &FlowKey<W>,
    phase: Phase,
) -> Direction {
    if cx.sender.is_some() || !is_midstream(key.protocol as u8, phase) {
        cx.hook
    } else if looks_like_client(key.ports) || policy::is_service(cx, &key.peer) {
        Direction::Egress
    } else {
        Direction::Ingress
    }
}

#[inline(always)]
fn is_midstream(protocol: u8, phase: Phase) -> bool {
    matches!(protocol, number::TCP | number::SCTP) && phase != Phase::Opening
}

/// Whether the pod looks like the client of these ports, the pod's in the high half.
#[inline(always)]
const fn looks_like_client(ports: u32) -> bool {
    ports >> 16 >= EPHEMERAL && ports & 0xffff < EPHEMERAL
}

/// Asks the policy of the direction in which the flow was opened.
///
/// Where nobody knows who opened it, both directions must allow it: otherwise an answer would turn
/// a connection that policy cuts into one that its sender opened. Ports of a client and a server
/// tell who did, except to a pod that sends as a server: it could send anything to anybody so.
#[inline(always)]
fn decide_both<const W: usize, P: Packet, T: Tables + AddressTables<W>>(
    cx: Context<'_, P, T>,
    key: &FlowKey<W>,
    direction: Direction,
    known: Option<Flow>,
    phase: Phase,
) -> policy::Decision {
    let protocol = key.protocol as u8;
    let wanted = |direction| policy::Wanted {
        direction,
        protocol,
        port: port(key.ports, direction),
        translated: known.is_some_and(|flow| flow.state & Flow::DEFERRED != 0),
    };
    let decision = policy::decide(cx, &key.peer, wanted(direction));
    let sure = known.is_some()
        || !is_midstream(protocol, phase)
        || direction == Direction::Egress
        || (cx.hook == Direction::Ingress && looks_like_client(parse::swap(key.ports)));
    if sure || decision.reason.action() == Action::Drop {
        return decision;
    }
    let other = policy::decide(cx, &key.peer, wanted(Direction::Egress));
    if other.reason.action() == Action::Drop {
        other
    } else {
        decision
    }
}

/// The destination port of a flow that was opened in a direction.
#[inline(always)]
const fn port(ports: u32, direction: Direction) -> u16 {
    match direction {
        Direction::Ingress => (ports >> 16) as u16,
        Direction::Egress => ports as u16,
    }
}
