//! The verdict algorithm: a packet and the tables in, a [`Reason`] out.
//!
//! ```text
//! endpoint ─→ unisolated? pass (checking the source of what the pod sends)
//!          ─→ headers ─→ own node, own pod, neighbours
//!                     ─→ flow of the current revision? pass
//!                     ─→ policy of the side that opened the flow ─→ allow: track it
//!                                                                ─→ defer: to a service, see `leaving`
//!                                                                ─→ deny: count, report, drop
//! ```

mod family;
mod fast;
mod flows;
mod policy;
mod related;
mod report;
mod source;

use crate::abi::{Direction, Endpoint, EventKind};
use crate::packet::Packet;
use crate::parse::{self, Ip, Kind, Transport, number};
use crate::reason::{Action, Reason};
use crate::tables::{AddressTables, EndpointView, Tables};
use family::Family;
pub(crate) use flows::age;
pub use flows::{AHEAD, has_expired, lifetime};
pub use policy::allows;
pub use report::Report;

/// What everything here works on.
struct Context<'a, P, T: Tables + 'a> {
    packet: &'a P,
    tables: &'a T,
    endpoint: T::Endpoint<'a>,
    hook: Direction,
    /// The link on which `endpoint` is, where the packet is on another one: behind whatever
    /// translates addresses, so that what is decided is final.
    sender: Option<u32>,
}

impl<'a, P: Packet, T: Tables + 'a> Context<'a, P, T> {
    /// The link on which the endpoint is.
    #[inline(always)]
    fn link(&self) -> u32 {
        match self.sender {
            Some(link) => link,
            None => self.packet.ifindex(),
        }
    }

    /// Whether the packet is on the link of another pod than the endpoint: there it is neither for
    /// the endpoint nor for its node, whatever address it has.
    #[inline(always)]
    fn is_at_another_pod(&self) -> bool {
        let here = self.packet.ifindex();
        self.link() != here && self.tables.endpoint(here).is_some()
    }

    /// Leaves the endpoint's egress policy to be decided on the way.
    #[inline(always)]
    fn defer(&self) {
        if self.hook == Direction::Egress && self.sender.is_none() {
            self.packet.defer(self.endpoint.tag());
        }
    }
}

// Not derived: that would ask for `P: Clone` and `T: Clone`.
impl<'a, P, T: Tables + 'a> Clone for Context<'a, P, T> {
    #[inline(always)]
    fn clone(&self) -> Self {
        *self
    }
}
impl<'a, P, T: Tables + 'a> Copy for Context<'a, P, T> {}

/// Judges a packet at a hook of an endpoint's host-side link: `Egress` is `from_pod`, `Ingress`
/// is `to_pod`. Counts it, tracks its flow and reports it as the answer demands.
#[inline(always)]
pub fn process<P: Packet, T: Tables>(packet: &P, tables: &T, hook: Direction) -> Reason {
    match quick(packet, tables, hook) {
        Some(reason) => reason,
        None => thorough(packet, tables, hook),
    }
}

/// The answer to most packets: at an endpoint that nothing isolates, and of established flows. Says
/// what [`thorough`] would say, or nothing.
#[inline(always)]
pub fn quick<P: Packet, T: Tables>(packet: &P, tables: &T, hook: Direction) -> Option<Reason> {
    let cx = at_own_link(packet, tables, hook)?;
    let flags = cx.endpoint.flags();
    if let Some(free) = free(hook, flags) {
        return Some(free);
    }
    if fast::passes(cx, flags) {
        return Some(Reason::NotIsolated);
    }
    if flags & Endpoint::ISOLATED != 0 && fast::is_established(cx, flags) {
        tables.count(hook, Reason::Established, packet.length());
        return Some(Reason::Established);
    }
    None
}

/// The answer to any packet.
#[inline(always)]
pub fn thorough<P: Packet, T: Tables>(packet: &P, tables: &T, hook: Direction) -> Reason {
    let Some(cx) = at_own_link(packet, tables, hook) else {
        tables.count(hook, Reason::NoEndpoint, packet.length());
        return Reason::NoEndpoint;
    };
    let flags = cx.endpoint.flags();
    if let Some(free) = free(hook, flags) {
        return free;
    }
    if flags & (Endpoint::ISOLATED | Endpoint::DENY_ALL) != 0 {
        return conclude(cx, &judge(cx), flags);
    }
    let reason = source::check_unisolated(cx);
    if reason.action() == Action::Pass {
        reason
    } else {
        conclude(cx, &Outcome::plain(reason), flags)
    }
}

/// The packet at the endpoint whose link this is.
#[inline(always)]
fn at_own_link<'a, P: Packet, T: Tables>(
    packet: &'a P,
    tables: &'a T,
    hook: Direction,
) -> Option<Context<'a, P, T>> {
    Some(Context {
        packet,
        tables,
        endpoint: tables.endpoint(packet.ifindex())?,
        hook,
        sender: None,
    })
}

/// Why every packet passes an endpoint with these flags at a hook, if that is so.
#[inline(always)]
const fn free(hook: Direction, flags: u32) -> Option<Reason> {
    let looked_at = match hook {
        Direction::Ingress => Endpoint::ISOLATED | Endpoint::DENY_ALL,
        Direction::Egress => Endpoint::ISOLATED | Endpoint::DENY_ALL | Endpoint::CHECK_SOURCE,
    };
    if flags & looked_at != 0 {
        None
    } else if flags & Endpoint::PENDING == 0 {
        Some(Reason::NotIsolated)
    } else {
        Some(Reason::PendingAllowed)
    }
}

/// Judges a deferred packet by the egress policy of the pod of this node that sent it: where its
/// real destination is known, on its way to another pod or out of the node. What passes is settled,
/// except on a pod's way to itself.
///
/// The sender is the endpoint of the packet's ingress link, which the kernel sets, or, where a
/// bridge has taken that place, the one whose tag the packet carries. Its address proves nothing:
/// it may have been translated too.
#[inline(always)]
pub fn leaving<P: Packet, T: Tables>(packet: &P, tables: &T) -> Reason {
    let mut link = packet.ingress_ifindex();
    let mut sender = tables.endpoint(link);
    if sender.is_none() {
        link = tables.sender(packet.sender());
        sender = tables.endpoint(link);
    }
    let hook = Direction::Egress;
    let Some(endpoint) = sender else {
        tables.count(hook, Reason::Undecided, packet.length());
        let outcome = Outcome::plain(Reason::Undecided);
        let report = outcome.report(EventKind::Denied, hook, packet.ifindex(), 0);
        tables.report(packet, &report);
        return Reason::Undecided;
    };
    let cx = Context {
        packet,
        tables,
        endpoint,
        hook,
        sender: Some(link),
    };
    let flags = endpoint.flags();
    let reason = if flags & (Endpoint::ISOLATED | Endpoint::DENY_ALL) == 0 {
        Reason::NotIsolated
    } else {
        conclude(cx, &judge(cx), flags)
    };
    // A pod that reaches itself must be known as such at its own link, which may still be to come.
    if reason.action() == Action::Pass && reason != Reason::OwnPod {
        packet.settle();
    }
    reason
}

/// What is known about a packet when it has been judged.
#[derive(Clone, Copy)]
struct Outcome {
    reason: Reason,
    /// IANA protocol number, 0 when it was not found out.
    protocol: u8,
    /// [`parse::Transport::ports`].
    ports: u32,
    /// The direction whose policy was asked.
    direction: Direction,
    identity: u32,
    set: u32,
    /// A flow was opened.
    opened: bool,
}

impl Outcome {
    #[inline(always)]
    const fn plain(reason: Reason) -> Self {
        Self {
            reason,
            protocol: 0,
            ports: 0,
            direction: Direction::Ingress,
            identity: 0,
            set: 0,
            opened: false,
        }
    }

    #[inline(always)]
    const fn report(
        &self,
        kind: EventKind,
        hook: Direction,
        ifindex: u32,
        endpoint: u32,
    ) -> Report {
        Report {
            kind,
            reason: self.reason,
            hook,
            direction: self.direction,
            protocol: self.protocol,
            ports: self.ports,
            ifindex,
            endpoint,
            identity: self.identity,
            set: self.set,
        }
    }
}

#[inline(always)]
fn judge<P: Packet, T: Tables>(cx: Context<'_, P, T>) -> Outcome {
    if cx.packet.vlan_tagged() {
        return Outcome::plain(Reason::VlanTagged);
    }
    let ethertype = cx.packet.head_u16(12);
    match ethertype {
        Some(number::IPV4) => match parse::ipv4(cx.packet) {
            Ok(ip) => judge_ip(cx, &ip),
            Err(reason) => Outcome::plain(reason),
        },
        Some(number::IPV6) => match parse::ipv6(cx.packet) {
            Ok(ip) => judge_ip(cx, &ip),
            Err(reason) => Outcome::plain(reason),
        },
        Some(number::ARP) => Outcome::plain(source::check_arp(cx)),
        Some(number::VLAN | number::QINQ) => Outcome::plain(Reason::VlanTagged),
        Some(_) => Outcome::plain(Reason::UnknownEthertype),
        None => Outcome::plain(Reason::Malformed),
    }
}

#[inline(always)]
fn judge_ip<const W: usize, P: Packet, T: Tables + AddressTables<W>>(
    cx: Context<'_, P, T>,
    ip: &Ip<W>,
) -> Outcome
where
    [u32; W]: Family,
{
    let unproven = cx.hook == Direction::Egress
        && cx.sender.is_none()
        && cx.endpoint.flags() & Endpoint::CHECK_SOURCE != 0
        && !source::is_own(cx.endpoint, &ip.source);
    match cx.hook {
        Direction::Egress => {
            if unproven && !source::may_probe(&ip.source) {
                return Outcome::plain(Reason::Spoofed);
            }
            if !unproven && ip.destination.is_address_of(cx.endpoint) && !cx.is_at_another_pod() {
                // Its MAC address may lead it to another pod all the same, where this is asked again.
                cx.defer();
                return Outcome::plain(Reason::OwnPod);
            }
        }
        Direction::Ingress => {
            // Set by the kernel, so that no address has to be believed: 0 is the host's own stack,
            // the endpoint's own link is a pod that reaches itself through a service.
            let from = cx.packet.ingress_ifindex();
            if from == 0 {
                return Outcome::plain(Reason::OwnNode);
            }
            if from == cx.packet.ifindex() {
                return Outcome::plain(Reason::OwnPod);
            }
        }
    }
    let mut transport = Transport::opaque(ip.protocol);
    if let Err(reason) = flows::transport(cx, ip, &mut transport) {
        return Outcome::plain(reason);
    }
    let outcome = match transport.kind {
        Kind::Neighbour => Outcome::plain(source::check_neighbour(cx, ip, transport.ports)),
        _ if unproven => Outcome::plain(Reason::Spoofed),
        Kind::Error if related::is_about_a_flow(cx, ip) => Outcome::plain(Reason::RelatedError),
        _ => flows::judge(cx, ip, transport),
    };
    Outcome {
        protocol: transport.protocol,
        ports: transport.ports,
        ..outcome
    }
}

/// Counts and reports, and lets audit mode have its say.
#[inline(always)]
fn conclude<P: Packet, T: Tables>(cx: Context<'_, P, T>, outcome: &Outcome, flags: u32) -> Reason {
    let audited = flags & Endpoint::AUDIT != 0 && outcome.reason.action() == Action::Drop;
    let reason = if audited {
        Reason::AuditDenied
    } else {
        outcome.reason
    };
    cx.tables.count(cx.hook, reason, cx.packet.length());
    // Branches, and no comparison of what they lead to: verifiers before Linux 6.12 would look at each
    // reason by itself from there on.
    if outcome.reason.action() == Action::Drop {
        let kind = if audited {
            EventKind::Audit
        } else {
            EventKind::Denied
        };
        let report = outcome.report(kind, cx.hook, cx.link(), cx.endpoint.id());
        cx.tables.report(cx.packet, &report);
    } else if outcome.opened && cx.tables.may_report() {
        let report = outcome.report(EventKind::Allowed, cx.hook, cx.link(), cx.endpoint.id());
        cx.tables.report(cx.packet, &report);
    }
    reason
}
