//! Packets and tables that end the short way early.

use core::cell::Cell;

use bytemuck::Pod;
use enforcer_common::abi::{
    Direction, Flow, FlowKey, Fragment, FragmentKey, Peer, PortRange, Verdict, VerdictKey,
};
use enforcer_common::decide::Report;
use enforcer_common::flow_table::Place;
use enforcer_common::packet::Packet;
use enforcer_common::reason::Reason;
use enforcer_common::tables::{AddressTables, EndpointView as _, Tables};

use super::REACHED;
use crate::flows::{flows_v4, flows_v6};
use crate::packet::Skb;
use crate::tables::{EndpointRef, Kernel};

/// The steps, in their order.
pub(super) mod at {
    /// The program begins and ends.
    pub(crate) const FRAME: u8 = 0;
    /// The link's endpoint is found, and its flags are read.
    pub(crate) const ENDPOINT: u8 = 1;
    /// Ethernet, IP and transport headers are checked.
    pub(crate) const HEADERS: u8 = 2;
    /// The flow's key is hashed.
    pub(crate) const HASH: u8 = 3;
    /// Its bucket and slot are found.
    pub(crate) const SLOT: u8 = 4;
    /// Its revision and age are checked.
    pub(crate) const CLOCK: u8 = 5;
    /// It is counted: all there is.
    pub(crate) const COUNT: u8 = 6;
}

/// The packet of this invocation, which has nothing to read when the way ends at its endpoint.
pub(super) struct CutPacket<const AT: u8>(pub(super) Skb<0>);

impl<const AT: u8> Packet for CutPacket<AT> {
    #[inline(always)]
    fn length(&self) -> u32 {
        self.0.length()
    }
    #[inline(always)]
    fn ifindex(&self) -> u32 {
        self.0.ifindex()
    }
    #[inline(always)]
    fn ingress_ifindex(&self) -> u32 {
        self.0.ingress_ifindex()
    }
    #[inline(always)]
    fn vlan_tagged(&self) -> bool {
        AT == at::ENDPOINT || self.0.vlan_tagged()
    }
    #[inline(always)]
    fn segmented(&self) -> bool {
        self.0.segmented()
    }
    #[inline(always)]
    fn deferred(&self) -> bool {
        self.0.deferred()
    }
    #[inline(always)]
    fn sender(&self) -> u32 {
        self.0.sender()
    }
    #[inline(always)]
    fn defer(&self, sender: u32) {
        self.0.defer(sender);
    }
    #[inline(always)]
    fn settle(&self) {
        self.0.settle();
    }
    #[inline(always)]
    fn head_u8(&self, offset: usize) -> Option<u8> {
        self.0.head_u8(offset)
    }
    #[inline(always)]
    fn head_u16(&self, offset: usize) -> Option<u16> {
        if AT == at::ENDPOINT {
            return None;
        }
        self.0.head_u16(offset)
    }
    #[inline(always)]
    fn head_words<const N: usize>(&self, offset: usize) -> Option<[u32; N]> {
        self.0.head_words(offset)
    }
    #[inline(always)]
    fn head<T: Pod>(&self, offset: usize, reach: usize) -> Option<T> {
        if AT == at::ENDPOINT {
            return None;
        }
        self.0.head(offset, reach)
    }
    #[inline(always)]
    fn u8_at(&self, offset: u32) -> Option<u8> {
        self.0.u8_at(offset)
    }
    #[inline(always)]
    fn words_at<const N: usize>(&self, offset: u32) -> Option<[u32; N]> {
        self.0.words_at(offset)
    }
}

/// The kernel's maps, which remember what the last step found and answer nothing behind it.
pub(super) struct CutTables<const AT: u8> {
    kernel: Kernel,
    seen: Cell<u32>,
}

impl<const AT: u8> CutTables<AT> {
    #[inline(always)]
    pub(super) fn new(kernel: Kernel) -> Self {
        Self {
            kernel,
            seen: Cell::new(0),
        }
    }

    /// [`REACHED`] and some of what the last step found; 0 when it was not reached.
    #[inline(always)]
    pub(super) fn seen(&self) -> u32 {
        self.seen.get()
    }

    #[inline(always)]
    fn see(&self, what: u64) {
        let folded = (what >> 32) as u32 ^ what as u32;
        self.seen.set(folded & (REACHED - 1) | REACHED);
    }
}

macro_rules! family {
    ($words:literal, $table:ident) => {
        impl<const AT: u8> AddressTables<$words> for CutTables<AT> {
            #[inline(always)]
            fn peer(&self, address: &[u32; $words]) -> Peer {
                AddressTables::<$words>::peer(&self.kernel, address)
            }
            #[inline(always)]
            fn flow(&self, key: &FlowKey<$words>, endpoint: u32) -> Option<Flow> {
                AddressTables::<$words>::flow(&self.kernel, key, endpoint)
            }
            #[inline(always)]
            fn recall(
                &self,
                addresses: [u64; $words],
                ports: u64,
                protocol: u8,
                endpoint: u32,
            ) -> Option<Flow> {
                if AT == at::HEADERS {
                    let mut all = u64::from(endpoint) << 32 ^ ports ^ u64::from(protocol);
                    for word in addresses {
                        all ^= word;
                    }
                    self.see(all);
                    return None;
                }
                if AT == at::HASH {
                    let secrets = $table::secrets();
                    let place = Place::between(addresses, ports, protocol, endpoint, &secrets);
                    self.see(place.tag() ^ u64::from(place.bucket($table::mask())));
                    return None;
                }
                let flow = AddressTables::<$words>::recall(
                    &self.kernel,
                    addresses,
                    ports,
                    protocol,
                    endpoint,
                );
                if AT == at::SLOT {
                    if let Some(flow) = flow {
                        let rest = u32::from(flow.state) ^ u32::from(flow.initiator);
                        self.see(u64::from(flow.revision ^ flow.last_seen ^ rest));
                    }
                    return None;
                }
                flow
            }
            #[inline(always)]
            fn put_flow(&self, key: &FlowKey<$words>, flow: &Flow) {
                AddressTables::<$words>::put_flow(&self.kernel, key, flow);
            }
        }
    };
}

family!(1, flows_v4);
family!(4, flows_v6);

impl<const AT: u8> Tables for CutTables<AT> {
    type Endpoint<'a> = EndpointRef;

    #[inline(always)]
    fn endpoint(&self, ifindex: u32) -> Option<EndpointRef> {
        let endpoint = self.kernel.endpoint(ifindex)?;
        if AT == at::ENDPOINT {
            self.see(u64::from(endpoint.id()));
        }
        Some(endpoint)
    }
    #[inline(always)]
    fn sender(&self, tag: u32) -> u32 {
        self.kernel.sender(tag)
    }
    #[inline(always)]
    fn verdict(&self, key: &VerdictKey) -> Option<Verdict> {
        self.kernel.verdict(key)
    }
    #[inline(always)]
    fn allows(&self, key: &VerdictKey, protocol: u8, port: u16) -> bool {
        self.kernel.allows(key, protocol, port)
    }
    #[inline(always)]
    fn port_range(&self, index: u32) -> Option<PortRange> {
        self.kernel.port_range(index)
    }
    #[inline(always)]
    fn fragment(&self, key: &FragmentKey) -> Option<Fragment> {
        self.kernel.fragment(key)
    }
    #[inline(always)]
    fn put_fragment(&self, key: &FragmentKey, fragment: &Fragment) {
        self.kernel.put_fragment(key, fragment);
    }
    #[inline(always)]
    fn now(&self) -> u32 {
        self.kernel.now()
    }
    #[inline(always)]
    fn ticks_per_second(&self) -> u32 {
        self.kernel.ticks_per_second()
    }
    #[inline(always)]
    fn count(&self, hook: Direction, reason: Reason, bytes: u32) {
        if AT == at::COUNT {
            self.kernel.count(hook, reason, bytes);
        }
    }
    #[inline(always)]
    fn may_report(&self) -> bool {
        self.kernel.may_report()
    }
    #[inline(always)]
    fn report(&self, packet: &impl Packet, report: &Report) {
        self.kernel.report(packet, report);
    }
}
