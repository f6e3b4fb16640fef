//! `ADDRESSES_V4`/`_V6` (hash) and `CIDRS_V4`/`_V6` (LPM trie): address → [`Peer`].

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use bytemuck::{Pod, Zeroable};

/// The identity of any peer that no selector tells apart.
pub const ANY_PEER: u32 = 0;

/// Not the address of a node.
pub const NO_NODE: u32 = 0;

/// The node number of the host on which the programs run: its addresses are every endpoint's own
/// node. Other nodes are numbered from [`FIRST_NODE`].
pub const LOCAL_NODE: u32 = 1;

/// The first number given to a node by its name.
pub const FIRST_NODE: u32 = 2;

/// Who an address belongs to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Pod, Zeroable)]
#[repr(C)]
pub struct Peer {
    /// The equivalence class of the address, [`ANY_PEER`] when no selector in use matches it.
    pub identity: u32,
    /// The node whose address this is, or [`NO_NODE`].
    pub node: u32,
    /// [`Peer::SERVICE`].
    pub flags: u32,
}

impl Peer {
    /// Packets to this address may be translated after `from_pod`: a Service has it.
    pub const SERVICE: u32 = 1;
}

/// An IPv4 address in the layout of the maps.
pub fn v4(address: Ipv4Addr) -> [u32; 1] {
    [u32::from_ne_bytes(address.octets())]
}

/// An IPv6 address in the layout of the maps.
pub fn v6(address: Ipv6Addr) -> [u32; 4] {
    bytemuck::must_cast(address.octets())
}

/// The address that `words` (one or four of them) hold in the layout of the maps.
pub fn to_ip<const W: usize>(words: [u32; W]) -> IpAddr {
    if let [word] = words.as_slice() {
        return IpAddr::V4(Ipv4Addr::from(word.to_ne_bytes()));
    }
    let mut octets = [0; 16];
    for (chunk, word) in octets.chunks_exact_mut(4).zip(words) {
        chunk.copy_from_slice(&word.to_ne_bytes());
    }
    IpAddr::V6(Ipv6Addr::from(octets))
}
