//! A datapath in memory: the verdict algorithm over ordinary maps.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashMap};

use enforcer_common::abi::{
    Counter, Direction, Endpoint, Event, Flow, FlowKey, Fragment, FragmentKey, Peer, PortRange,
    Verdict, VerdictKey, address, limits,
};
use enforcer_common::decide::{self, Report};
use enforcer_common::packet::{Frame, Packet};
use enforcer_common::tables::{AddressTables, Tables};
use enforcer_common::{Action, Reason};
use enforcer_policy::tables as policy;

use super::judge::{Arrival, Judge, JudgeError, LINK, OTHER_LINK};

/// Ticks of the clock in a second.
pub const TICKS_PER_SECOND: u32 = 1000;

/// Events that are kept until somebody takes them.
const EVENTS: usize = 1024;

/// What the kernel keeps in maps, kept here.
#[derive(Debug, Default)]
pub struct Memory {
    /// What the compiler wrote. Its endpoints are by pod and are not looked at.
    pub tables: policy::Tables,
    /// Endpoints by the ifindex of their link.
    pub links: BTreeMap<u32, Endpoint>,
    now: Cell<u32>,
    flows_v4: RefCell<HashMap<FlowKey<1>, Flow>>,
    flows_v6: RefCell<HashMap<FlowKey<4>, Flow>>,
    fragments: RefCell<HashMap<FragmentKey, Fragment>>,
    counters: RefCell<BTreeMap<(Direction, Reason), Counter>>,
    events: RefCell<Vec<Event>>,
    suppressed: Cell<u64>,
}

impl Memory {
    /// A datapath with these tables, no link and no flow.
    pub fn new(tables: policy::Tables) -> Self {
        Self {
            tables,
            ..Self::default()
        }
    }

    /// Judges a packet as the program at `hook` would.
    pub fn process(&self, frame: &Frame<'_>, hook: Direction) -> Reason {
        if hook == Direction::Ingress && frame.deferred() {
            let reason = self.leave(frame);
            if reason.action() == Action::Drop || frame.deferred() {
                return reason;
            }
        }
        decide::process(frame, self, hook)
    }

    /// Judges a deferred packet as the program at any other link would, or the one that `to_pod` asks
    /// first.
    pub fn leave(&self, frame: &Frame<'_>) -> Reason {
        decide::leaving(frame, self)
    }

    /// Lets time pass.
    pub fn advance(&self, seconds: u32) {
        let ticks = seconds.wrapping_mul(TICKS_PER_SECOND);
        self.now.set(self.now.get().wrapping_add(ticks));
    }

    /// What was counted for a reason at a hook.
    pub fn counter(&self, hook: Direction, reason: Reason) -> Counter {
        let counters = self.counters.borrow();
        counters.get(&(hook, reason)).copied().unwrap_or_default()
    }

    /// The events since the last time.
    pub fn take_events(&self) -> Vec<Event> {
        self.events.take()
    }

    /// Events that found no place.
    pub fn suppressed(&self) -> u64 {
        self.suppressed.get()
    }

    /// How many flows are tracked.
    pub fn flows(&self) -> usize {
        self.flows_v4.borrow().len() + self.flows_v6.borrow().len()
    }
}

impl Judge for Memory {
    fn judge(&mut self, endpoint: &Endpoint, arrival: &Arrival<'_>) -> Result<Reason, JudgeError> {
        let mut frame = Frame {
            bytes: arrival.bytes,
            ifindex: LINK,
            ingress_ifindex: arrival.ingress_ifindex,
            segmented: arrival.segmented,
            ..Frame::default()
        };
        if arrival.leaving {
            self.links = BTreeMap::from([(OTHER_LINK, *endpoint)]);
            frame.ingress_ifindex = OTHER_LINK;
            frame.defer(0);
            return Ok(self.leave(&frame));
        }
        self.links = BTreeMap::from([(LINK, *endpoint)]);
        Ok(self.process(&frame, arrival.hook))
    }
}

/// Puts an entry into a map of limited size. The kernel's maps forget what was not used for long;
/// this one forgets everything, which is allowed at any time too: flows are only judged again.
fn put<K: std::hash::Hash + Eq, V>(map: &RefCell<HashMap<K, V>>, limit: u32, key: K, value: V) {
    let mut map = map.borrow_mut();
    if map.len() >= limit as usize {
        map.clear();
    }
    map.insert(key, value);
}

/// Ports on the wire as keys have them.
fn on_the_wire(ports: u64) -> u32 {
    u32::try_from(ports).map_or(0, u32::from_be)
}

impl AddressTables<1> for Memory {
    fn peer(&self, address: &[u32; 1]) -> Peer {
        self.tables.peer(address::to_ip(*address))
    }
    fn flow(&self, key: &FlowKey<1>, endpoint: u32) -> Option<Flow> {
        let flows = self.flows_v4.borrow();
        let flow = flows.get(key)?;
        (flow.endpoint == endpoint).then_some(*flow)
    }
    fn recall(&self, addresses: [u64; 1], ports: u64, protocol: u8, endpoint: u32) -> Option<Flow> {
        let [pod, peer] = bytemuck::must_cast::<_, [u32; 2]>(addresses);
        let key = FlowKey {
            pod: [pod],
            peer: [peer],
            ports: on_the_wire(ports),
            protocol: protocol.into(),
        };
        self.flow(&key, endpoint)
    }
    fn put_flow(&self, key: &FlowKey<1>, flow: &Flow) {
        put(&self.flows_v4, limits::FLOWS_V4, *key, *flow);
    }
}

impl AddressTables<4> for Memory {
    fn peer(&self, address: &[u32; 4]) -> Peer {
        self.tables.peer(address::to_ip(*address))
    }
    fn flow(&self, key: &FlowKey<4>, endpoint: u32) -> Option<Flow> {
        let flows = self.flows_v6.borrow();
        let flow = flows.get(key)?;
        (flow.endpoint == endpoint).then_some(*flow)
    }
    fn recall(&self, addresses: [u64; 4], ports: u64, protocol: u8, endpoint: u32) -> Option<Flow> {
        let [pod, peer] = bytemuck::must_cast::<_, [[u32; 4]; 2]>(addresses);
        let key = FlowKey {
            pod,
            peer,
            ports: on_the_wire(ports),
            protocol: protocol.into(),
        };
        self.flow(&key, endpoint)
    }
    fn put_flow(&self, key: &FlowKey<4>, flow: &Flow) {
        put(&self.flows_v6, limits::FLOWS_V6, *key, *flow);
    }
}

impl Tables for Memory {
    type Endpoint<'a> = &'a Endpoint;

    fn endpoint(&self, ifindex: u32) -> Option<&Endpoint> {
        self.links.get(&ifindex).filter(|endpoint| endpoint.id != 0)
    }
    fn sender(&self, tag: u32) -> u32 {
        tag
    }
    fn verdict(&self, key: &VerdictKey) -> Option<Verdict> {
        self.tables.verdicts.get(key).copied()
    }
    fn allows(&self, key: &VerdictKey, protocol: u8, port: u16) -> bool {
        decide::allows(self, key, protocol, port)
    }
    fn port_range(&self, index: u32) -> Option<PortRange> {
        self.tables.ports.get(index as usize).copied()
    }
    fn fragment(&self, key: &FragmentKey) -> Option<Fragment> {
        self.fragments.borrow().get(key).copied()
    }
    fn put_fragment(&self, key: &FragmentKey, fragment: &Fragment) {
        put(&self.fragments, limits::FRAGMENTS, *key, *fragment);
    }
    fn now(&self) -> u32 {
        self.now.get()
    }
    fn ticks_per_second(&self) -> u32 {
        TICKS_PER_SECOND
    }
    fn count(&self, hook: Direction, reason: Reason, bytes: u32) {
        let mut counters = self.counters.borrow_mut();
        let counter = counters.entry((hook, reason)).or_default();
        counter.packets += 1;
        counter.bytes += u64::from(bytes);
    }
    fn may_report(&self) -> bool {
        true
    }
    fn report(&self, packet: &impl Packet, report: &Report) {
        if self.events.borrow().len() >= EVENTS {
            return self.suppressed.set(self.suppressed.get() + 1);
        }
        let mut event = Event::default();
        report.fill(packet, &mut event);
        self.events.borrow_mut().push(event);
    }
}
