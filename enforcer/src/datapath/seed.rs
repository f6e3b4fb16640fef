//! Writes the flows of connections that are taken over.

use aya::Ebpf;
use aya::maps::{HashMap, MapData, MapError};
use enforcer_common::abi::{Flow, FlowKey};

use super::adopt::{Key, Seed};
use super::maps::{MapsError, access, take};

type FlowMap<const K: usize> = HashMap<MapData, [u8; K], [u8; size_of::<Flow>()]>;
type V4 = FlowMap<{ size_of::<FlowKey<1>>() }>;
type V6 = FlowMap<{ size_of::<FlowKey<4>>() }>;

/// `BPF_NOEXIST`.
const ONLY_NEW: u64 = 1;

/// `FLOWS_V4` and `FLOWS_V6`, for writing.
pub struct Seeds {
    v4: V4,
    v6: V6,
}

impl Seeds {
    /// Takes the maps out of a loaded object.
    pub fn take(ebpf: &mut Ebpf) -> Result<Self, MapsError> {
        Ok(Self {
            v4: take(ebpf, "FLOWS_V4")?,
            v6: take(ebpf, "FLOWS_V6")?,
        })
    }

    /// What the programs know of a flow.
    pub fn get(&self, key: &Key) -> Option<Flow> {
        let held = match key {
            Key::V4(key) => self.v4.get(&bytes(key), 0),
            Key::V6(key) => self.v6.get(&bytes(key), 0),
        };
        held.ok().map(bytemuck::must_cast)
    }

    /// Writes a flow, unless the programs track it for the same endpoint.
    pub fn put(&mut self, seed: &Seed) -> Result<(), MapsError> {
        match &seed.key {
            Key::V4(key) => put(&mut self.v4, "FLOWS_V4", bytes(key), seed),
            Key::V6(key) => put(&mut self.v6, "FLOWS_V6", bytes(key), seed),
        }
    }
}

fn put<const K: usize>(
    map: &mut FlowMap<K>,
    name: &'static str,
    key: [u8; K],
    seed: &Seed,
) -> Result<(), MapsError> {
    let value: [u8; size_of::<Flow>()] = bytemuck::must_cast(seed.flow);
    if seed.tracked {
        match map.insert(key, value, ONLY_NEW) {
            Err(error) if is_there(&error) => {}
            done => return access(name, "take a flow", done),
        }
        let held = map.get(&key, 0).map(bytemuck::must_cast::<_, Flow>);
        if held.is_ok_and(|held| held.endpoint == seed.flow.endpoint) {
            return Ok(());
        }
    }
    access(name, "take a flow", map.insert(key, value, 0))
}

fn is_there(error: &MapError) -> bool {
    matches!(error, MapError::SyscallError(error)
        if error.io_error.raw_os_error() == Some(nix::libc::EEXIST))
}

/// A key as it lies in the map.
fn bytes<const W: usize, const K: usize>(key: &FlowKey<W>) -> [u8; K] {
    let words = key.pod.into_iter().chain(key.peer);
    let mut bytes = [0; K];
    for (chunk, word) in bytes
        .chunks_exact_mut(size_of::<u32>())
        .zip(words.chain([key.ports, key.protocol]))
    {
        chunk.copy_from_slice(&word.to_ne_bytes());
    }
    bytes
}
