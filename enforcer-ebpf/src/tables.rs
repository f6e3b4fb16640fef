//! The maps as [`Tables`].

use core::ptr::{addr_of, null_mut, read_volatile};

use aya_ebpf::bindings::__sk_buff;
use aya_ebpf::helpers::generated::bpf_jiffies64;
use aya_ebpf::maps::lpm_trie::Key;
use enforcer_common::abi::{
    Counter, Direction, Endpoint, Event, EventKind, Flow, FlowKey, Fragment, FragmentKey, Peer,
    PortRange, Verdict, VerdictKey, limits,
};
use enforcer_common::decide::{Report, allows};
use enforcer_common::flow_table::{Place, SLOTS};
use enforcer_common::packet::Packet;
use enforcer_common::reason::Reason;
use enforcer_common::tables::{AddressTables, EndpointView, Tables};

use crate::denials::{note_denial, unrecorded};
use crate::flows::{bounded, flows_v4, flows_v6};
use crate::maps;
use crate::packet::{BARE, Skb};

/// The kernel's maps, in an invocation with this context.
pub(crate) struct Kernel {
    pub(crate) skb: *mut __sk_buff,
    /// The link's packets have no Ethernet header.
    pub(crate) bare: bool,
}

/// An endpoint in map memory, which the daemon may be writing.
#[derive(Clone, Copy)]
pub(crate) struct EndpointRef(*const Endpoint);

macro_rules! field {
    ($self:ident . $($path:tt)+) => {
        // SAFETY: points to a map value, which lives as long as the program runs. Volatile,
        // because the order of these reads matters: see `EndpointView`.
        unsafe { read_volatile(addr_of!((*$self.0).$($path)+)) }
    };
}

impl EndpointView for EndpointRef {
    #[inline(always)]
    fn id(self) -> u32 {
        field!(self.id)
    }
    #[inline(always)]
    fn flags(self) -> u32 {
        field!(self.flags)
    }
    #[inline(always)]
    fn revision(self, direction: Direction) -> u32 {
        match direction {
            Direction::Ingress => field!(self.revisions[0]),
            Direction::Egress => field!(self.revisions[1]),
        }
    }
    #[inline(always)]
    fn set(self, direction: Direction) -> u32 {
        match direction {
            Direction::Ingress => field!(self.sets[0]),
            Direction::Egress => field!(self.sets[1]),
        }
    }
    #[inline(always)]
    fn node(self) -> u32 {
        field!(self.node)
    }
    #[inline(always)]
    fn tag(self) -> u32 {
        field!(self.tag)
    }
    #[inline(always)]
    fn v4(self) -> [u32; 1] {
        [field!(self.v4[0])]
    }
    #[inline(always)]
    fn v6(self) -> [u32; 4] {
        [
            field!(self.v6[0]),
            field!(self.v6[1]),
            field!(self.v6[2]),
            field!(self.v6[3]),
        ]
    }
    #[inline(always)]
    fn v6_longs(self) -> [u64; 2] {
        // SAFETY: as in `field`; the addresses are at a multiple of eight bytes.
        unsafe { read_volatile(addr_of!((*self.0).v6).cast()) }
    }
}

macro_rules! family {
    ($words:literal, $addresses:ident, $cidrs:ident, $table:ident) => {
        impl AddressTables<$words> for Kernel {
            #[inline(always)]
            fn peer(&self, address: &[u32; $words]) -> Peer {
                // SAFETY: not preallocated, so a removed value is freed after an RCU grace period.
                let exact = unsafe { maps::$addresses.get(address) };
                match exact {
                    Some(peer) => *peer,
                    None => match maps::$cidrs.get(Key::new(32 * $words, *address)) {
                        Some(peer) => *peer,
                        None => Peer {
                            identity: 0,
                            node: 0,
                            flags: 0,
                        },
                    },
                }
            }
            #[inline(always)]
            fn flow(&self, key: &FlowKey<$words>, endpoint: u32) -> Option<Flow> {
                let place = Place::of(key, endpoint, &$table::secrets());
                let index = place.bucket($table::mask());
                let slot = $table::search(index, place.tag());
                if slot >= SLOTS as u32 {
                    return None;
                }
                place.get(&$table::bucket(index)?, bounded(slot))
            }
            #[inline(always)]
            fn recall(
                &self,
                addresses: [u64; $words],
                ports: u64,
                protocol: u8,
                endpoint: u32,
            ) -> Option<Flow> {
                let secrets = $table::secrets();
                let place = Place::between(addresses, ports, protocol, endpoint, &secrets);
                place.find(&$table::bucket(place.bucket($table::mask()))?)
            }
            #[inline(always)]
            fn put_flow(&self, key: &FlowKey<$words>, flow: &Flow) {
                if maps::TRACK.load() == 0 {
                    return;
                }
                let place = Place::of(key, flow.endpoint, &$table::secrets());
                let index = place.bucket($table::mask());
                let slot = $table::room(index, place.tag(), flow.last_seen);
                if let Some(bucket) = $table::bucket(index) {
                    place.put(&bucket, bounded(slot), flow);
                }
            }
        }
    };
}

family!(1, ADDRESSES_V4, CIDRS_V4, flows_v4);
family!(4, ADDRESSES_V6, CIDRS_V6, flows_v6);

/// A global function, which the verifier checks once and not again for every way that leads here.
/// A call costs 8 ns, and only new flows come here.
#[inline(never)]
#[unsafe(no_mangle)]
extern "C" fn allows_out_of_line(set: u32, identity: u32, protocol: u32, port: u32) -> u32 {
    u32::from(allows(
        &Kernel {
            skb: null_mut(),
            bare: false,
        },
        &VerdictKey { set, identity },
        protocol as u8,
        port as u16,
    ))
}

impl Tables for Kernel {
    type Endpoint<'a> = EndpointRef;

    #[inline(always)]
    fn endpoint(&self, ifindex: u32) -> Option<EndpointRef> {
        let endpoint = EndpointRef(if ifindex < limits::NEAR_ENDPOINTS {
            maps::ENDPOINTS.get_ptr(ifindex)?
        } else {
            maps::ENDPOINTS_FAR.get_ptr(ifindex)?
        });
        if endpoint.id() == 0 {
            None
        } else {
            Some(endpoint)
        }
    }
    #[inline(always)]
    fn sender(&self, tag: u32) -> u32 {
        // The near links are their own numbers.
        match maps::SENDERS.get(tag) {
            Some(&link) if link != 0 => link,
            _ => tag,
        }
    }
    #[inline(always)]
    fn verdict(&self, key: &VerdictKey) -> Option<Verdict> {
        // SAFETY: not preallocated, so a removed value is freed after an RCU grace period.
        unsafe { maps::VERDICTS.get(key) }.copied()
    }
    #[inline(always)]
    fn allows(&self, key: &VerdictKey, protocol: u8, port: u16) -> bool {
        allows_out_of_line(key.set, key.identity, u32::from(protocol), u32::from(port)) != 0
    }
    #[inline(always)]
    fn port_range(&self, index: u32) -> Option<PortRange> {
        maps::PORTS.get(index).copied()
    }
    #[inline(always)]
    fn fragment(&self, key: &FragmentKey) -> Option<Fragment> {
        // SAFETY: torn reads can only come from another datagram's ports, which are judged too.
        unsafe { maps::FRAGMENTS.get(key) }.copied()
    }
    #[inline(always)]
    fn put_fragment(&self, key: &FragmentKey, fragment: &Fragment) {
        // Without a place, later fragments are dropped as unknown.
        let _ = maps::FRAGMENTS.insert(key, fragment, 0);
    }
    #[inline(always)]
    fn now(&self) -> u32 {
        // SAFETY: takes nothing, touches nothing.
        (unsafe { bpf_jiffies64() }) as u32
    }
    #[inline(always)]
    fn ticks_per_second(&self) -> u32 {
        maps::TICKS_PER_SECOND.load()
    }
    #[inline(always)]
    fn count(&self, hook: Direction, reason: Reason, bytes: u32) {
        if let Some(counter) = maps::COUNTERS.get_ptr_mut(Counter::slot(hook, reason)) {
            // SAFETY: this CPU's value; a program is not interrupted by itself.
            unsafe {
                (*counter).packets += 1;
                (*counter).bytes += u64::from(bytes);
            }
        }
    }
    #[inline(always)]
    fn may_report(&self) -> bool {
        let Some(bucket) = maps::BUCKETS.get_ptr_mut(EventKind::Allowed as u32) else {
            return false;
        };
        let (second, rate) = (self.ticks_per_second(), maps::EVENTS_PER_SECOND.load());
        // SAFETY: as in `count`.
        unsafe {
            let may = (*bucket).take(self.now(), second, rate);
            if !may {
                (*bucket).suppressed += 1;
            }
            may
        }
    }
    #[inline(always)]
    fn report(&self, _: &impl Packet, report: &Report) {
        let Report {
            kind,
            reason,
            hook,
            direction,
            protocol,
            ..
        } = *report;
        let what = u32::from_ne_bytes([
            kind as u8,
            reason as u8,
            u8::from(self.bare) << 2 | (hook as u8) << 1 | direction as u8,
            protocol,
        ]);
        let whose = u64::from(report.endpoint) << 32 | u64::from(report.ports);
        let whom = u64::from(report.identity) << 32 | u64::from(report.set);
        // Not one after the other in a function of their own: verifiers before Linux 6.12 would find their
        // frames and those of the programs too large together.
        let denial = !matches!(kind, EventKind::Allowed);
        if !denial || note_denial(self.skb, what, whose, report.ifindex) != 0 {
            report_out_of_line(self.skb, what, whose, whom, report.ifindex);
        }
    }
}

/// The first argument of the functions that tell of a packet: they can take numbers and the context only.
#[derive(Clone, Copy)]
pub(crate) struct Told {
    kind: u8,
    reason: u8,
    /// Direction, hook, whether the link is bare: a bit each.
    directions: u8,
    protocol: u8,
}

impl Told {
    #[inline(always)]
    pub(crate) fn of(what: u32) -> Self {
        let [kind, reason, directions, protocol] = what.to_ne_bytes();
        Self {
            kind,
            reason,
            directions,
            protocol,
        }
    }

    #[inline(always)]
    pub(crate) fn is_bare(self) -> bool {
        self.directions & 4 != 0
    }

    /// The report; `whose` is the endpoint before the ports, `whom` the identity before the set.
    #[inline(always)]
    pub(crate) fn report(self, whose: u64, whom: u64, ifindex: u32) -> Option<Report> {
        let direction = |number: u8| {
            if number & 1 == 0 {
                Direction::Ingress
            } else {
                Direction::Egress
            }
        };
        Some(Report {
            kind: EventKind::from_number(self.kind)?,
            reason: Reason::from_number(self.reason)?,
            hook: direction(self.directions >> 1),
            direction: direction(self.directions),
            protocol: self.protocol,
            ports: whose as u32,
            ifindex,
            endpoint: (whose >> 32) as u32,
            identity: (whom >> 32) as u32,
            set: whom as u32,
        })
    }
}

/// A global function like [`allows_out_of_line`]. Returns whether the event was sent.
#[inline(never)]
#[unsafe(no_mangle)]
extern "C" fn report_out_of_line(
    skb: *mut __sk_buff,
    what: u32,
    whose: u64,
    whom: u64,
    ifindex: u32,
) -> u32 {
    let told = Told::of(what);
    let Some(report) = told.report(whose, whom, ifindex) else {
        return 0;
    };
    // In place: this frame and its caller's share 512 bytes of stack.
    if let Some(mut entry) = maps::EVENTS.reserve::<Event>(0) {
        // SAFETY: the ring buffer's memory holds some bytes, and any bytes are an event.
        let event = unsafe { entry.assume_init_mut() };
        if told.is_bare() {
            report.fill(&Skb::<BARE>::of(skb), event);
        } else {
            report.fill(&Skb::<0>::of(skb), event);
        }
        entry.submit(0);
        return 1;
    }
    unsent(&report);
    0
}

/// Counts what the ring buffer has no room for.
#[inline(always)]
fn unsent(report: &Report) {
    match report.kind {
        EventKind::Allowed => {
            if let Some(bucket) = maps::BUCKETS.get_ptr_mut(EventKind::Allowed as u32) {
                // SAFETY: this CPU's value; a program is not interrupted by itself.
                unsafe { (*bucket).suppressed += 1 };
            }
        }
        EventKind::Denied => unrecorded(report.hook as u8, report.reason as u8, 1),
        EventKind::Audit => unrecorded(report.hook as u8, Reason::AuditDenied as u8, 1),
    }
}
