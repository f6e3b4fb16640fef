//! The kernel's maps, typed by the ABI.
//!
//! Keys and values cross as byte arrays of the ABI's layout (`bytemuck`), so that no type has to
//! promise anything to aya.

mod held;

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use aya::Ebpf;
use aya::maps::lpm_trie::{Key, LpmTrie};
use aya::maps::{Array, HashMap, Map, MapData, MapError, PerCpuArray, RingBuf};
use bytemuck::Zeroable as _;
use enforcer_common::Reason;
use enforcer_common::abi::{
    Bucket, Counter, Direction, Endpoint, Event, EventKind, Peer, PortRange, Verdict, VerdictKey,
    limits,
};
use enforcer_policy::tables::{Op, Tables};
use ipnet::IpNet;

use super::denials::Unrecorded;
pub use held::Ids;

/// Why the maps could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum MapsError {
    /// The object lacks a map.
    #[error("the BPF object has no map {0}; run `cargo xtask build-ebpf`")]
    NoMap(&'static str),
    /// A map is not of the expected kind.
    #[error("the map {name} is not as expected: {source}")]
    Kind {
        /// The map.
        name: &'static str,
        /// What aya says.
        source: MapError,
    },
    /// The kernel refused.
    #[error("the map {name} could not {what}: {source}")]
    Access {
        /// The map.
        name: &'static str,
        /// What was attempted.
        what: &'static str,
        /// What the kernel says.
        source: MapError,
    },
    /// A pin could not be made.
    #[error("cannot pin the map {name} at {}: {source}", path.display())]
    Pin {
        /// The map.
        name: &'static str,
        /// Where.
        path: PathBuf,
        /// What the kernel says.
        source: aya::pin::PinError,
    },
}

type Bytes<T, const N: usize> = HashMap<MapData, T, [u8; N]>;

/// Every map that the daemon writes or reads.
pub struct Maps {
    endpoints_id: u32,
    counters_id: u32,
    ids: Ids,
    endpoints: Array<MapData, [u8; 64]>,
    endpoints_far: Bytes<u32, 64>,
    senders: Array<MapData, u32>,
    addresses_v4: Bytes<[u8; 4], 12>,
    addresses_v6: Bytes<[u8; 16], 12>,
    cidrs_v4: LpmTrie<MapData, [u8; 4], [u8; 12]>,
    cidrs_v6: LpmTrie<MapData, [u8; 16], [u8; 12]>,
    verdicts: Bytes<[u8; 8], 12>,
    ports: Array<MapData, [u8; 8]>,
    counters: Counters,
    buckets: PerCpuArray<MapData, [u8; 16]>,
}

/// The maps that hold connections: a later daemon goes on with them.
pub const LASTING: [&str; 3] = ["FLOWS_V4", "FLOWS_V6", "FRAGMENTS"];

/// The map that tells a later daemon which endpoint numbers its flows have.
pub const ENDPOINTS: &str = "ENDPOINTS";

/// The map of programs with which others end. The kernel empties it when neither a process nor a pin
/// holds it, so it is pinned as long as its programs are attached.
pub const CONTINUATIONS: &str = "CONTINUATIONS";

impl Maps {
    /// Takes the maps out of a loaded object.
    pub fn take(ebpf: &mut Ebpf) -> Result<Self, MapsError> {
        let Some(Map::Array(data)) = ebpf.map(ENDPOINTS) else {
            return Err(MapsError::NoMap(ENDPOINTS));
        };
        let Some(Map::PerCpuArray(counters)) = ebpf.map(COUNTERS) else {
            return Err(MapsError::NoMap(COUNTERS));
        };
        Ok(Self {
            endpoints_id: access(ENDPOINTS, "ask about itself", data.info())?.id(),
            counters_id: access(COUNTERS, "ask about itself", counters.info())?.id(),
            ids: Ids::of(ebpf)?,
            endpoints: take(ebpf, ENDPOINTS)?,
            endpoints_far: take(ebpf, "ENDPOINTS_FAR")?,
            senders: take(ebpf, "SENDERS")?,
            addresses_v4: take(ebpf, "ADDRESSES_V4")?,
            addresses_v6: take(ebpf, "ADDRESSES_V6")?,
            cidrs_v4: take(ebpf, "CIDRS_V4")?,
            cidrs_v6: take(ebpf, "CIDRS_V6")?,
            verdicts: take(ebpf, "VERDICTS")?,
            ports: take(ebpf, "PORTS")?,
            counters: take(ebpf, COUNTERS)?,
            buckets: take(ebpf, "BUCKETS")?,
        })
    }

    /// Does a write of the compiler. Those of endpoints are by pod, and somebody else's to translate
    /// into links: see [`Maps::put_endpoint`].
    pub fn apply(&mut self, op: &Op) -> Result<(), MapsError> {
        match op {
            Op::PutPorts(offset, ranges) => self.put_ports(*offset, ranges),
            Op::PutVerdict(key, verdict) => self.put_verdict(*key, *verdict),
            Op::DeleteVerdict(key) => self.delete_verdict(*key),
            Op::PutAddress(address, peer) => self.put_address(*address, *peer),
            Op::DeleteAddress(address) => self.delete_address(*address),
            Op::PutCidr(net, peer) => self.put_cidr(*net, *peer),
            Op::DeleteCidr(net) => self.delete_cidr(*net).map(drop),
            Op::PutEndpoint(..) | Op::DeleteEndpoint(..) => Ok(()),
        }
    }

    /// Writes everything that these tables hold, endpoints excepted.
    pub fn fill(&mut self, tables: &Tables) -> Result<(), MapsError> {
        self.put_ports(0, &tables.ports)?;
        for (key, verdict) in &tables.verdicts {
            self.put_verdict(*key, *verdict)?;
        }
        for (net, peer) in &tables.cidrs {
            self.put_cidr(*net, *peer)?;
        }
        for (address, peer) in &tables.addresses {
            self.put_address(*address, *peer)?;
        }
        Ok(())
    }

    /// Makes the maps hold what these tables hold and nothing else, endpoints excepted, whatever
    /// they held before.
    pub fn restore(&mut self, tables: &Tables) -> Result<(), MapsError> {
        self.fill(tables)?;
        let held = self.read()?;
        let stale = |key: &&VerdictKey| !tables.verdicts.contains_key(key);
        held.verdicts
            .keys()
            .filter(stale)
            .try_for_each(|key| self.delete_verdict(*key))?;
        let stale = |net: &&IpNet| !tables.cidrs.contains_key(net);
        held.cidrs
            .keys()
            .filter(stale)
            .try_for_each(|net| self.delete_cidr(*net).map(drop))?;
        let stale = |address: &&IpAddr| !tables.addresses.contains_key(address);
        held.addresses
            .keys()
            .filter(stale)
            .try_for_each(|address| self.delete_address(*address))
    }

    /// What the maps hold: addresses, prefixes and verdicts.
    pub fn read(&self) -> Result<Tables, MapsError> {
        let mut tables = Tables::default();
        for entry in &self.addresses_v4 {
            let (key, value) = access("ADDRESSES_V4", "be read", entry)?;
            tables
                .addresses
                .insert(IpAddr::from(key), bytemuck::must_cast(value));
        }
        for entry in &self.addresses_v6 {
            let (key, value) = access("ADDRESSES_V6", "be read", entry)?;
            tables
                .addresses
                .insert(IpAddr::from(key), bytemuck::must_cast(value));
        }
        for entry in &self.cidrs_v4 {
            let (key, value) = access("CIDRS_V4", "be read", entry)?;
            let net = net(IpAddr::from(key.data()), key.prefix_len());
            tables
                .cidrs
                .extend(net.map(|net| (net, bytemuck::must_cast(value))));
        }
        for entry in &self.cidrs_v6 {
            let (key, value) = access("CIDRS_V6", "be read", entry)?;
            let net = net(IpAddr::from(key.data()), key.prefix_len());
            tables
                .cidrs
                .extend(net.map(|net| (net, bytemuck::must_cast(value))));
        }
        for entry in &self.verdicts {
            let (key, value) = access("VERDICTS", "be read", entry)?;
            tables
                .verdicts
                .insert(bytemuck::must_cast(key), bytemuck::must_cast(value));
        }
        Ok(tables)
    }

    /// Pins the endpoints in the place of an earlier daemon's, so that the next daemon can read them.
    pub fn pin_endpoints(&self, directory: &Path) -> Result<(), MapsError> {
        let path = directory.join(ENDPOINTS);
        // Where there is none there is nothing to replace.
        let _ = std::fs::remove_file(&path);
        let map = access(
            ENDPOINTS,
            "be opened by its id",
            MapData::from_id(self.endpoints_id),
        )?;
        map.pin(&path).map_err(|source| MapsError::Pin {
            name: ENDPOINTS,
            path,
            source,
        })
    }

    /// Sets the endpoint of a link.
    pub fn put_endpoint(&mut self, ifindex: u32, endpoint: &Endpoint) -> Result<(), MapsError> {
        let value: [u8; 64] = bytemuck::must_cast(*endpoint);
        if ifindex < limits::NEAR_ENDPOINTS {
            access(
                ENDPOINTS,
                "take an endpoint",
                self.endpoints.set(ifindex, value, 0),
            )
        } else {
            access(
                "ENDPOINTS_FAR",
                "take an endpoint",
                self.endpoints_far.insert(ifindex, value, 0),
            )
        }
    }

    /// Removes the endpoint of a link.
    pub fn delete_endpoint(&mut self, ifindex: u32) -> Result<(), MapsError> {
        if ifindex < limits::NEAR_ENDPOINTS {
            self.put_endpoint(ifindex, &Endpoint::zeroed())
        } else {
            access(
                "ENDPOINTS_FAR",
                "drop an endpoint",
                gone_is_fine(self.endpoints_far.remove(&ifindex)),
            )
        }
    }

    /// Sets whose link a tag means.
    pub fn put_sender(&mut self, tag: u16, ifindex: u32) -> Result<(), MapsError> {
        access(
            "SENDERS",
            "take a link",
            self.senders.set(u32::from(tag), ifindex, 0),
        )
    }

    /// Sets who an address is.
    pub fn put_address(&mut self, address: IpAddr, peer: Peer) -> Result<(), MapsError> {
        let value: [u8; 12] = bytemuck::must_cast(peer);
        match address {
            IpAddr::V4(v4) => access(
                "ADDRESSES_V4",
                "take an address",
                self.addresses_v4.insert(v4.octets(), value, 0),
            ),
            IpAddr::V6(v6) => access(
                "ADDRESSES_V6",
                "take an address",
                self.addresses_v6.insert(v6.octets(), value, 0),
            ),
        }
    }

    /// Removes an address.
    pub fn delete_address(&mut self, address: IpAddr) -> Result<(), MapsError> {
        match address {
            IpAddr::V4(v4) => access(
                "ADDRESSES_V4",
                "drop an address",
                gone_is_fine(self.addresses_v4.remove(&v4.octets())),
            ),
            IpAddr::V6(v6) => access(
                "ADDRESSES_V6",
                "drop an address",
                gone_is_fine(self.addresses_v6.remove(&v6.octets())),
            ),
        }
    }

    /// Sets who a prefix is.
    pub fn put_cidr(&mut self, net: IpNet, peer: Peer) -> Result<(), MapsError> {
        let value: [u8; 12] = bytemuck::must_cast(peer);
        match net {
            IpNet::V4(net) => access(
                "CIDRS_V4",
                "take a prefix",
                self.cidrs_v4.insert(&v4_key(net), value, 0),
            ),
            IpNet::V6(net) => access(
                "CIDRS_V6",
                "take a prefix",
                self.cidrs_v6.insert(&v6_key(net), value, 0),
            ),
        }
    }

    /// Removes a prefix, and says whether it was there.
    pub fn delete_cidr(&mut self, net: IpNet) -> Result<bool, MapsError> {
        let (name, removed) = match net {
            IpNet::V4(net) => ("CIDRS_V4", self.cidrs_v4.remove(&v4_key(net))),
            IpNet::V6(net) => ("CIDRS_V6", self.cidrs_v6.remove(&v6_key(net))),
        };
        let there = removed.is_ok();
        access(name, "drop a prefix", gone_is_fine(removed)).map(|()| there)
    }

    /// Sets a verdict.
    pub fn put_verdict(&mut self, key: VerdictKey, verdict: Verdict) -> Result<(), MapsError> {
        let (key, value): ([u8; 8], [u8; 12]) =
            (bytemuck::must_cast(key), bytemuck::must_cast(verdict));
        access(
            "VERDICTS",
            "take a verdict",
            self.verdicts.insert(key, value, 0),
        )
    }

    /// Removes a verdict.
    pub fn delete_verdict(&mut self, key: VerdictKey) -> Result<(), MapsError> {
        let key: [u8; 8] = bytemuck::must_cast(key);
        access(
            "VERDICTS",
            "drop a verdict",
            gone_is_fine(self.verdicts.remove(&key)),
        )
    }

    /// Fills slots of the port array.
    pub fn put_ports(&mut self, offset: u32, ranges: &[PortRange]) -> Result<(), MapsError> {
        for (index, range) in (offset..).zip(ranges) {
            let value: [u8; 8] = bytemuck::must_cast(*range);
            access(
                "PORTS",
                "take a port range",
                self.ports.set(index, value, 0),
            )?;
        }
        Ok(())
    }

    /// The counter of a reason at a hook, summed over the CPUs.
    pub fn counter(&self, hook: Direction, reason: Reason) -> Result<Counter, MapsError> {
        self.counted(Counter::slot(hook, reason))
    }

    /// How many flows gave way to others although they had not expired.
    pub fn displaced_flows(&self) -> Result<u64, MapsError> {
        Ok(self.counted(Counter::DISPLACED_FLOWS)?.packets)
    }

    fn counted(&self, slot: u32) -> Result<Counter, MapsError> {
        counted(&self.counters, slot)
    }

    /// Denials of which neither an event nor a slot tells.
    pub fn unrecorded(&self) -> Result<u64, MapsError> {
        Ok(unrecorded(&self.counters)?.values().sum())
    }

    /// The counters once more, for who reads beside the writer.
    pub(super) fn counters_again(&self) -> Result<Counters, MapsError> {
        let data = access(
            COUNTERS,
            "be opened again",
            MapData::from_id(self.counters_id),
        )?;
        PerCpuArray::try_from(Map::PerCpuArray(data)).map_err(|source| MapsError::Kind {
            name: COUNTERS,
            source,
        })
    }

    /// Events of allowed flows that were not sent.
    pub fn suppressed(&self) -> Result<u64, MapsError> {
        let kind = EventKind::Allowed as u32;
        let values = access("BUCKETS", "tell a bucket", self.buckets.get(&kind, 0))?;
        Ok(values
            .iter()
            .map(|bytes| bytemuck::must_cast::<[u8; 16], Bucket>(*bytes).suppressed)
            .sum())
    }
}

/// The counters, on each CPU.
pub(super) type Counters = PerCpuArray<MapData, [u8; 16]>;

const COUNTERS: &str = "COUNTERS";

fn counted(counters: &Counters, slot: u32) -> Result<Counter, MapsError> {
    let values = access(COUNTERS, "tell a counter", counters.get(&slot, 0))?;
    let sum = |total: Counter, bytes: &[u8; 16]| {
        let one: Counter = bytemuck::must_cast(*bytes);
        Counter {
            packets: total.packets + one.packets,
            bytes: total.bytes + one.bytes,
        }
    };
    Ok(values.iter().fold(Counter::default(), sum))
}

/// See [`Counter::unrecorded`]; nothing that is 0.
pub(super) fn unrecorded(counters: &Counters) -> Result<Unrecorded, MapsError> {
    let mut all = Unrecorded::new();
    for hook in Direction::ALL {
        for reason in Reason::ALL {
            let slot = Counter::unrecorded(hook as u8, *reason as u8);
            let packets = counted(counters, slot)?.packets;
            if packets > 0 {
                all.insert((hook, *reason), packets);
            }
        }
    }
    Ok(all)
}

/// Pins the continuations of a daemon that is about to take over, beside those of the programs that
/// are still attached.
pub fn pin_continuations(ebpf: &Ebpf, directory: &Path) -> Result<(), MapsError> {
    let path = coming_continuations(directory);
    let Some(Map::ProgramArray(map)) = ebpf.map(CONTINUATIONS) else {
        return Err(MapsError::NoMap(CONTINUATIONS));
    };
    // Of a daemon that ended half-way.
    let _ = std::fs::remove_file(&path);
    map.pin(&path).map_err(|source| MapsError::Pin {
        name: CONTINUATIONS,
        path,
        source,
    })
}

/// Ends the take-over: the earlier programs are attached nowhere any more.
pub fn settle_continuations(directory: &Path) -> std::io::Result<()> {
    std::fs::rename(
        coming_continuations(directory),
        directory.join(CONTINUATIONS),
    )
}

fn coming_continuations(directory: &Path) -> PathBuf {
    directory.join(format!("{CONTINUATIONS}_NEW"))
}

/// The ring buffer of events.
pub fn take_events(ebpf: &mut Ebpf) -> Result<RingBuf<MapData>, MapsError> {
    take(ebpf, "EVENTS")
}

/// An event as it lies in the ring buffer; `None` for a record of another size.
pub fn event(bytes: &[u8]) -> Option<Event> {
    bytemuck::try_pod_read_unaligned(bytes).ok()
}

/// The endpoints in a pinned map: those of an earlier daemon, by ifindex. Empty when there is none.
pub fn pinned_endpoints(directory: &Path) -> Vec<(u32, Endpoint)> {
    let Ok(data) = MapData::from_pin(directory.join(ENDPOINTS)) else {
        return Vec::new();
    };
    let Ok(map) = Array::<_, [u8; 64]>::try_from(Map::Array(data)) else {
        return Vec::new();
    };
    (0..limits::NEAR_ENDPOINTS)
        .filter_map(|ifindex| {
            Some((
                ifindex,
                bytemuck::must_cast::<[u8; 64], Endpoint>(map.get(&ifindex, 0).ok()?),
            ))
        })
        .filter(|(_, endpoint)| endpoint.id != 0)
        .collect()
}

pub(super) fn take<T: TryFrom<Map, Error = MapError>>(
    ebpf: &mut Ebpf,
    name: &'static str,
) -> Result<T, MapsError> {
    let map = ebpf.take_map(name).ok_or(MapsError::NoMap(name))?;
    T::try_from(map).map_err(|source| MapsError::Kind { name, source })
}

pub(super) fn access<T>(
    name: &'static str,
    what: &'static str,
    result: Result<T, MapError>,
) -> Result<T, MapsError> {
    result.map_err(|source| MapsError::Access { name, what, source })
}

fn gone_is_fine(result: Result<(), MapError>) -> Result<(), MapError> {
    match result {
        Err(MapError::KeyNotFound) => Ok(()),
        Err(MapError::SyscallError(error))
            if error.io_error.raw_os_error() == Some(nix::libc::ENOENT) =>
        {
            Ok(())
        }
        other => other,
    }
}

/// `None` for a length that no trie of this family takes.
fn net(address: IpAddr, length: u32) -> Option<IpNet> {
    IpNet::new(address, u8::try_from(length).ok()?).ok()
}

fn v4_key(net: ipnet::Ipv4Net) -> Key<[u8; 4]> {
    Key::new(u32::from(net.prefix_len()), net.network().octets())
}

fn v6_key(net: ipnet::Ipv6Net) -> Key<[u8; 16]> {
    Key::new(u32::from(net.prefix_len()), net.network().octets())
}
