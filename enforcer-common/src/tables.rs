//! What [`crate::decide`] asks and tells: BPF maps in the kernel, ordinary maps on the host.

use crate::abi::{
    Direction, Endpoint, Flow, FlowKey, Fragment, FragmentKey, Peer, PortRange, Verdict, VerdictKey,
};
use crate::decide::Report;
use crate::packet::Packet;
use crate::reason::Reason;

/// The tables of one address family; `W` is 1 for IPv4 and 4 for IPv6.
pub trait AddressTables<const W: usize> {
    /// Whose address this is: the exact entry, else the longest prefix, else nobody's.
    fn peer(&self, address: &[u32; W]) -> Peer;
    /// A tracked flow of an endpoint.
    fn flow(&self, key: &FlowKey<W>, endpoint: u32) -> Option<Flow>;
    /// The same for somebody in a hurry: the pod's address and the peer's as they are on the wire, one after
    /// the other, and likewise their ports. In the kernel larger, and quicker where the flow is there.
    fn recall(&self, addresses: [u64; W], ports: u64, protocol: u8, endpoint: u32) -> Option<Flow>;
    /// Tracks a flow or changes it.
    fn put_flow(&self, key: &FlowKey<W>, flow: &Flow);
}

/// An endpoint, read field by field: the daemon may be changing it at the same time.
///
/// Every method reads memory anew and in program order. What is decided under a policy set is
/// remembered under a revision that was read *before* the set, because the daemon writes the set
/// before the revision: so nothing decided by an old set can carry a new revision.
pub trait EndpointView: Copy {
    /// [`Endpoint::id`].
    fn id(self) -> u32;
    /// [`Endpoint::flags`].
    fn flags(self) -> u32;
    /// [`Endpoint::revisions`].
    fn revision(self, direction: Direction) -> u32;
    /// [`Endpoint::sets`].
    fn set(self, direction: Direction) -> u32;
    /// [`Endpoint::node`].
    fn node(self) -> u32;
    /// [`Endpoint::tag`].
    fn tag(self) -> u32;
    /// [`Endpoint::v4`].
    fn v4(self) -> [u32; 1];
    /// [`Endpoint::v6`].
    fn v6(self) -> [u32; 4];
    /// The same in two words.
    fn v6_longs(self) -> [u64; 2];
}

impl EndpointView for &Endpoint {
    fn id(self) -> u32 {
        self.id
    }
    fn flags(self) -> u32 {
        self.flags
    }
    fn revision(self, direction: Direction) -> u32 {
        self.revisions[direction.index()]
    }
    fn set(self, direction: Direction) -> u32 {
        self.sets[direction.index()]
    }
    fn node(self) -> u32 {
        self.node
    }
    fn tag(self) -> u32 {
        self.tag
    }
    fn v4(self) -> [u32; 1] {
        self.v4
    }
    fn v6(self) -> [u32; 4] {
        self.v6
    }
    fn v6_longs(self) -> [u64; 2] {
        bytemuck::must_cast(self.v6)
    }
}

/// Everything that the verdict algorithm touches.
pub trait Tables: AddressTables<1> + AddressTables<4> {
    /// See [`EndpointView`].
    type Endpoint<'a>: EndpointView
    where
        Self: 'a;

    /// The endpoint of a host-side link.
    fn endpoint(&self, ifindex: u32) -> Option<Self::Endpoint<'_>>;
    /// The host-side link whose endpoint has this [`Endpoint::tag`].
    fn sender(&self, tag: u32) -> u32;
    /// What a policy set says about an identity.
    fn verdict(&self, key: &VerdictKey) -> Option<Verdict>;
    /// Whether a policy set lets an identity reach a port, or a protocol without ports. The
    /// algorithm is [`crate::decide::allows`]; the kernel side calls it out of line.
    fn allows(&self, key: &VerdictKey, protocol: u8, port: u16) -> bool;
    /// A slot of the port array.
    fn port_range(&self, index: u32) -> Option<PortRange>;
    /// The ports of a datagram's first fragment.
    fn fragment(&self, key: &FragmentKey) -> Option<Fragment>;
    /// Remembers the ports of a datagram's first fragment.
    fn put_fragment(&self, key: &FragmentKey, fragment: &Fragment);
    /// Jiffies, low 32 bits.
    fn now(&self) -> u32;
    /// Jiffies in a second.
    fn ticks_per_second(&self) -> u32;
    /// Adds a packet to the counters.
    fn count(&self, hook: Direction, reason: Reason, bytes: u32);
    /// Whether an event of a new flow may be sent now; what may not is counted as suppressed.
    fn may_report(&self) -> bool;
    /// Sends the event of a report, or counts a denial. The kernel side does it out of line.
    fn report(&self, packet: &impl Packet, report: &Report);
}
