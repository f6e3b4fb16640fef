//! What the driver and the benchmark say to each other.

use bytemuck::{Pod, Zeroable};

/// Which packet the driver makes of the next one: a TCP packet between a pod and one of many peers,
/// each of which has several connections with it.
///
/// Connection `i` is that with the peer `i % peers`, on the pod's or the peer's port
/// `first_port + i / peers`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct Plan {
    /// State of the generator of random numbers.
    pub(crate) state: u64,
    /// Packets so far.
    pub(crate) turn: u64,
    /// How many connections there are.
    pub(crate) count: u32,
    /// How many peers there are.
    pub(crate) peers: u32,
    /// The last 32 bits of the first peer's address, as a number.
    pub(crate) base: u32,
    /// How far the next peer's address is.
    pub(crate) stride: u32,
    /// The port of the first connection.
    pub(crate) first_port: u32,
    /// The port that all connections have on their other side.
    pub(crate) other_port: u32,
    /// [`Plan::RANDOM`] and its siblings.
    pub(crate) flags: u32,
    /// The pod's address, as it lies in a packet; IPv4 has the first word only.
    pub(crate) pod: [u32; 4],
    /// The first 96 bits of the peers' IPv6 addresses, as they lie in a packet.
    pub(crate) prefix: [u32; 3],
    /// What the programs of the floor found so far.
    pub(crate) found: u32,
    /// Zero.
    pub(crate) reserved: [u32; 5],
}

impl Plan {
    /// Connections come in random order, and otherwise one after the other.
    pub(crate) const RANDOM: u32 = 1;
    /// The pod sends the packet.
    pub(crate) const FROM_POD: u32 = 1 << 1;
    /// The packet is IPv6.
    pub(crate) const SIX: u32 = 1 << 2;
    /// The port that varies is the packet's destination port, and otherwise its source port.
    pub(crate) const TO_PORT: u32 = 1 << 3;
    /// For the programs of the floor: the next random number waits for what was found.
    pub(crate) const DEPENDENT: u32 = 1 << 4;
}
