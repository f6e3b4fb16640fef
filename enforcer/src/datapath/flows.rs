//! The connections that the programs track, read from the maps that hold them.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use aya::maps::{HashMap, Map, MapData};
use enforcer_common::abi::{Flow, FlowKey, address};
use enforcer_common::decide::has_expired;

use super::load::ticks_per_second;

/// A connection as one endpoint sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tracked {
    /// The endpoint's side.
    pub pod: SocketAddr,
    /// The other side.
    pub peer: SocketAddr,
    /// IANA protocol number.
    pub protocol: u8,
    /// What is remembered of it.
    pub flow: Flow,
    /// Seconds since its last packet, exact to about a second.
    pub idle: u32,
}

/// Why flows could not be read.
#[derive(Debug, thiserror::Error)]
pub enum FlowsError {
    /// The map is not there, or not a map of flows.
    #[error("cannot open the map of flows {}: {source}; is it of this version?", path.display())]
    Open {
        /// Its pin.
        path: PathBuf,
        /// What the kernel says.
        source: aya::maps::MapError,
    },
    /// The map could not be walked.
    #[error("cannot read the map of flows {}: {source}", path.display())]
    Read {
        /// Its pin.
        path: PathBuf,
        /// What the kernel says.
        source: aya::maps::MapError,
    },
    /// The length of a tick is not known.
    #[error("cannot read the resolution of the kernel's clock tick: {0}")]
    Clock(#[from] nix::Error),
}

/// The flows in the maps below `pins` that are neither expired nor about to end at the time `now`
/// ([`super::clock`]). Two system calls for each: not for the daemon's own thread.
pub fn read(pins: &Path, now: u32) -> Result<Vec<Tracked>, FlowsError> {
    let ticks_per_second = ticks_per_second()?;
    let clock = Clock {
        now,
        ticks_per_second,
    };
    let mut flows = Vec::new();
    walk::<1, { size_of::<FlowKey<1>>() }>(&pins.join("FLOWS_V4"), |key, flow| {
        flows.extend(clock.tracked(key, flow));
    })?;
    walk::<4, { size_of::<FlowKey<4>>() }>(&pins.join("FLOWS_V6"), |key, flow| {
        flows.extend(clock.tracked(key, flow));
    })?;
    Ok(flows)
}

/// Calls `take` with each flow of a pinned map, once. `N` is the size of its keys.
fn walk<const W: usize, const N: usize>(
    path: &Path,
    mut take: impl FnMut(FlowKey<W>, Flow),
) -> Result<(), FlowsError> {
    let opened = MapData::from_pin(path).and_then(|data| {
        let most = data.info()?.max_entries();
        let map = HashMap::<_, [u8; N], [u8; size_of::<Flow>()]>::try_from(Map::LruHashMap(data))?;
        Ok((map, most))
    });
    let (map, most) = opened.map_err(|source| FlowsError::Open {
        path: path.to_owned(),
        source,
    })?;
    // The kernel begins anew where the key that it gave last has gone meanwhile.
    let most = 2 * most as usize;
    let mut known = BTreeMap::new();
    for entry in map.iter().take(most) {
        let (key, flow) = entry.map_err(|source| FlowsError::Read {
            path: path.to_owned(),
            source,
        })?;
        known.insert(key, flow);
    }
    for (key, flow) in known {
        take(key_of(&key), bytemuck::must_cast(flow));
    }
    Ok(())
}

/// A key from its bytes.
fn key_of<const W: usize>(bytes: &[u8]) -> FlowKey<W> {
    let mut words = bytes.chunks_exact(4).map(|chunk| {
        let mut word = [0; 4];
        word.copy_from_slice(chunk);
        u32::from_ne_bytes(word)
    });
    let mut next = || words.next().unwrap_or_default();
    FlowKey {
        pod: std::array::from_fn(|_| next()),
        peer: std::array::from_fn(|_| next()),
        ports: next(),
        protocol: next(),
    }
}

/// What is needed to tell old flows from new ones.
#[derive(Clone, Copy)]
struct Clock {
    now: u32,
    ticks_per_second: u32,
}

/// Seconds that reading the flows takes at most.
const SLACK: u32 = 60;

impl Clock {
    /// The flow, unless it has expired or begun to end.
    fn tracked<const W: usize>(self, key: FlowKey<W>, flow: Flow) -> Option<Tracked> {
        let protocol = u8::try_from(key.protocol).ok()?;
        let age = self.now.wrapping_sub(flow.last_seen);
        // A packet may have come since the clock was asked.
        let age = if age > u32::MAX - SLACK * self.ticks_per_second {
            0
        } else {
            age
        };
        let seen = Flow {
            last_seen: self.now.wrapping_sub(age),
            ..flow
        };
        let over = flow.state & Flow::CLOSING != 0
            || has_expired(&seen, protocol, self.now, self.ticks_per_second);
        (!over).then(|| Tracked {
            pod: socket(address::to_ip(key.pod), key.ports >> 16),
            peer: socket(address::to_ip(key.peer), key.ports & 0xffff),
            protocol,
            flow,
            idle: age / self.ticks_per_second.max(1),
        })
    }
}

fn socket(address: IpAddr, port: u32) -> SocketAddr {
    SocketAddr::new(address, u16::try_from(port).unwrap_or_default())
}
