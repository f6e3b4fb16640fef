//! What single entries hold, for whoever compares them with what was written.

use std::net::IpAddr;

use aya::maps::lpm_trie::{Key, LpmTrie};
use aya::maps::{HashMap, Map, MapData, MapError};
use enforcer_common::abi::{Endpoint, Peer, PortRange, Verdict, VerdictKey, limits};
use ipnet::IpNet;

use super::{Maps, MapsError, access, net, v4_key, v6_key};
use crate::datapath::readback::Entry;

const ADDRESSES: [&str; 2] = ["ADDRESSES_V4", "ADDRESSES_V6"];
const CIDRS: [&str; 2] = ["CIDRS_V4", "CIDRS_V6"];
const VERDICTS: &str = "VERDICTS";

/// The maps in which something can be that was never written, by id: a handle for who reads beside
/// the writer.
#[derive(Clone, Copy, Debug)]
pub struct Ids {
    addresses: [u32; 2],
    cidrs: [u32; 2],
    verdicts: u32,
}

impl Ids {
    /// Of a loaded object, before its maps are taken out.
    pub(super) fn of(ebpf: &aya::Ebpf) -> Result<Self, MapsError> {
        let id = |name: &'static str| match ebpf.map(name) {
            Some(Map::HashMap(data) | Map::LpmTrie(data)) => {
                Ok(access(name, "ask about itself", data.info())?.id())
            }
            _ => Err(MapsError::NoMap(name)),
        };
        Ok(Self {
            addresses: [id(ADDRESSES[0])?, id(ADDRESSES[1])?],
            cidrs: [id(CIDRS[0])?, id(CIDRS[1])?],
            verdicts: id(VERDICTS)?,
        })
    }

    /// Gives every key to `each` until that says that it has enough. A key that goes away meanwhile
    /// makes others come twice.
    pub fn visit(self, each: &mut impl FnMut(Entry) -> bool) -> Result<(), MapsError> {
        let verdict = |key: [u8; 8]| Some(Entry::Verdict(bytemuck::must_cast(key)));
        hash(VERDICTS, self.verdicts, each, verdict)?;
        let [v4, v6] = self.cidrs;
        trie(CIDRS[0], v4, each, |key: Key<[u8; 4]>| {
            net(key.data().into(), key.prefix_len())
        })?;
        trie(CIDRS[1], v6, each, |key: Key<[u8; 16]>| {
            net(key.data().into(), key.prefix_len())
        })?;
        let [v4, v6] = self.addresses;
        let address = |key: [u8; 4]| Some(Entry::Address(key.into()));
        hash(ADDRESSES[0], v4, each, address)?;
        let address = |key: [u8; 16]| Some(Entry::Address(key.into()));
        hash(ADDRESSES[1], v6, each, address)
    }
}

fn hash<K: aya::Pod>(
    name: &'static str,
    id: u32,
    each: &mut impl FnMut(Entry) -> bool,
    entry: impl Fn(K) -> Option<Entry>,
) -> Result<(), MapsError> {
    let map = Map::HashMap(open(name, id)?);
    let map = HashMap::<_, K, [u8; 12]>::try_from(map);
    let map = map.map_err(|source| MapsError::Kind { name, source })?;
    pass(name, map.keys(), each, entry)
}

fn trie<K: aya::Pod>(
    name: &'static str,
    id: u32,
    each: &mut impl FnMut(Entry) -> bool,
    net: impl Fn(Key<K>) -> Option<IpNet>,
) -> Result<(), MapsError> {
    let map = Map::LpmTrie(open(name, id)?);
    let map = LpmTrie::<_, K, [u8; 12]>::try_from(map);
    let map = map.map_err(|source| MapsError::Kind { name, source })?;
    pass(name, map.keys(), each, |key| net(key).map(Entry::Cidr))
}

fn pass<K>(
    name: &'static str,
    keys: impl Iterator<Item = Result<K, MapError>>,
    each: &mut impl FnMut(Entry) -> bool,
    entry: impl Fn(K) -> Option<Entry>,
) -> Result<(), MapsError> {
    for key in keys {
        let entry = entry(access(name, "be read", key)?);
        if entry.is_some_and(|entry| !each(entry)) {
            break;
        }
    }
    Ok(())
}

fn open(name: &'static str, id: u32) -> Result<MapData, MapsError> {
    access(name, "be opened by its id", MapData::from_id(id))
}

impl Maps {
    /// The handle for who reads beside the writer.
    pub fn ids(&self) -> Ids {
        self.ids
    }

    /// Who an address is.
    pub fn address(&self, address: IpAddr) -> Result<Option<Peer>, MapsError> {
        let (name, value) = match address {
            IpAddr::V4(v4) => (ADDRESSES[0], self.addresses_v4.get(&v4.octets(), 0)),
            IpAddr::V6(v6) => (ADDRESSES[1], self.addresses_v6.get(&v6.octets(), 0)),
        };
        found(name, value).map(|value| value.map(bytemuck::must_cast))
    }

    /// Who the longest prefix is that covers this one.
    pub fn cidr(&self, net: IpNet) -> Result<Option<Peer>, MapsError> {
        let (name, value) = match net {
            IpNet::V4(net) => (CIDRS[0], self.cidrs_v4.get(&v4_key(net), 0)),
            IpNet::V6(net) => (CIDRS[1], self.cidrs_v6.get(&v6_key(net), 0)),
        };
        found(name, value).map(|value| value.map(bytemuck::must_cast))
    }

    /// A verdict.
    pub fn verdict(&self, key: VerdictKey) -> Result<Option<Verdict>, MapsError> {
        let value = self.verdicts.get(&bytemuck::must_cast(key), 0);
        found(VERDICTS, value).map(|value| value.map(bytemuck::must_cast))
    }

    /// A slot of the port array.
    pub fn port(&self, slot: u32) -> Result<Option<PortRange>, MapsError> {
        found("PORTS", self.ports.get(&slot, 0)).map(|value| value.map(bytemuck::must_cast))
    }

    /// The endpoint of a link.
    pub fn endpoint(&self, ifindex: u32) -> Result<Option<Endpoint>, MapsError> {
        let value = if ifindex < limits::NEAR_ENDPOINTS {
            found(super::ENDPOINTS, self.endpoints.get(&ifindex, 0))?
        } else {
            found("ENDPOINTS_FAR", self.endpoints_far.get(&ifindex, 0))?
        };
        Ok(value.map(bytemuck::must_cast))
    }
}

fn found<T>(name: &'static str, value: Result<T, MapError>) -> Result<Option<T>, MapsError> {
    match value {
        Err(MapError::KeyNotFound) => Ok(None),
        value => access(name, "be read", value).map(Some),
    }
}
