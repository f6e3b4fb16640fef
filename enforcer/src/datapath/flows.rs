//! The connections that the programs track, read from the maps that hold them.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use aya::maps::MapData;
use enforcer_common::abi::{Flow, FlowKey, address};
use enforcer_common::decide::has_expired;
use enforcer_common::flow_table::{BUCKET_V4, BUCKET_V6};

use super::flow_maps::{self, Flows, Table};
use super::load::ticks_per_second;
use super::maps::MapsError;

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
    #[error(transparent)]
    Read(#[from] MapsError),
    /// The length of a tick is not known.
    #[error("cannot read the resolution of the kernel's clock tick: {0}")]
    Clock(#[from] nix::Error),
}

/// The flows in the maps below `pins` that are neither expired nor about to end at the time `now`
/// ([`super::clock`]). One system call for each bucket: not
/// for the daemon's own thread.
pub fn read(pins: &Path, now: u32) -> Result<Vec<Tracked>, FlowsError> {
    let ticks_per_second = ticks_per_second()?;
    let clock = Clock {
        now,
        ticks_per_second,
    };
    let mut flows = Vec::new();
    open::<BUCKET_V4>(flow_maps::V4, pins)?.walk::<1>(|key, flow| {
        flows.extend(clock.tracked(key, flow));
    })?;
    open::<BUCKET_V6>(flow_maps::V6, pins)?.walk::<4>(|key, flow| {
        flows.extend(clock.tracked(key, flow));
    })?;
    Ok(flows)
}

fn open<const N: usize>(table: Table, pins: &Path) -> Result<Flows<N>, FlowsError> {
    let path = flow_maps::pin(table, pins);
    match MapData::from_pin(&path) {
        Ok(data) => Ok(Flows::of(table, data)?),
        Err(source) => Err(FlowsError::Open { path, source }),
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
