//! What the program `seed` takes: a flow that the daemon writes into the tables.

use bytemuck::{Pod, Zeroable};

use super::{Flow, FlowKey};

/// A flow to write, behind an Ethernet header that nobody reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Seed {
    /// Words of an address: 1 for IPv4, 4 for IPv6.
    pub words: u32,
    /// 1 when a flow that is there already stays as it is.
    pub only_new: u32,
    /// See [`FlowKey::pod`].
    pub pod: [u32; 4],
    /// See [`FlowKey::peer`].
    pub peer: [u32; 4],
    /// See [`FlowKey::ports`].
    pub ports: u32,
    /// See [`FlowKey::protocol`].
    pub protocol: u32,
    /// See [`Flow::endpoint`].
    pub endpoint: u32,
    /// See [`Flow::revision`].
    pub revision: u32,
    /// See [`Flow::last_seen`].
    pub last_seen: u32,
    /// [`Flow::initiator`] in the low byte, [`Flow::state`] in the next.
    pub state: u32,
}

impl Seed {
    /// 32-bit words in a seed.
    pub const WORDS: usize = size_of::<Self>() / size_of::<u32>();

    /// The seed of a flow.
    pub fn of<const W: usize>(key: &FlowKey<W>, flow: &Flow, only_new: bool) -> Self {
        let (mut pod, mut peer) = ([0; 4], [0; 4]);
        pod[..W].copy_from_slice(&key.pod);
        peer[..W].copy_from_slice(&key.peer);
        Self {
            words: W as u32,
            only_new: u32::from(only_new),
            pod,
            peer,
            ports: key.ports,
            protocol: key.protocol,
            endpoint: flow.endpoint,
            revision: flow.revision,
            last_seen: flow.last_seen,
            state: u32::from(flow.state) << 8 | u32::from(flow.initiator),
        }
    }

    /// The flow.
    #[inline(always)]
    pub const fn flow(&self) -> Flow {
        Flow {
            endpoint: self.endpoint,
            revision: self.revision,
            last_seen: self.last_seen,
            initiator: self.state as u8,
            state: (self.state >> 8) as u8,
        }
    }

    /// Its key, of one family.
    #[inline(always)]
    pub fn key<const W: usize>(&self) -> FlowKey<W> {
        FlowKey {
            pod: core::array::from_fn(|word| self.pod[word]),
            peer: core::array::from_fn(|word| self.peer[word]),
            ports: self.ports,
            protocol: self.protocol,
        }
    }
}
