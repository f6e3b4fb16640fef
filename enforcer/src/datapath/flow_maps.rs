//! The tables of flows as maps: how large they are, what they are hashed with, and reading them.
//!
//! Behind its buckets each map has one element more, with the secret that its hash is made of: whoever
//! goes on with the flows of an earlier daemon needs the same.

use std::cell::Cell;
use std::hash::{BuildHasher as _, RandomState};
use std::path::{Path, PathBuf};

use aya::maps::{Array, Map, MapData, MapError};
use aya::{Ebpf, EbpfLoader};
use enforcer_common::abi::{Flow, FlowKey, limits};
use enforcer_common::flow_table::{self, Bucket, Place, SLOTS, Secrets};

use super::load::LoadOptions;
use super::maps::{MapsError, access};

/// Which table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Table {
    /// Its map.
    pub map: &'static str,
    mask: &'static str,
    secrets: &'static str,
    connections: u32,
}

/// The flows over IPv4.
pub const V4: Table = Table {
    map: "FLOWS_V4",
    mask: "FLOW_MASK_V4",
    secrets: "FLOW_SECRETS_V4",
    connections: limits::FLOWS_V4,
};

/// The flows over IPv6.
pub const V6: Table = Table {
    map: "FLOWS_V6",
    mask: "FLOW_MASK_V6",
    secrets: "FLOW_SECRETS_V6",
    connections: limits::FLOWS_V6,
};

/// How a table is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    buckets: u32,
    mask: u32,
    secret: u64,
    secrets: Secrets,
}

impl Shape {
    /// The shape of the table that an earlier daemon left, else one as the options want it. `N` is the
    /// words of a bucket.
    pub fn choose<const N: usize>(table: Table, options: &LoadOptions) -> Self {
        let lasting = options.lasting.as_deref();
        let earlier = lasting.and_then(|directory| earlier::<N>(&pin(table, directory)));
        let wanted = options.map_entries.get(table.map);
        let buckets = flow_table::buckets(*wanted.unwrap_or(&table.connections));
        match earlier {
            // One that was made and never filled in: its maker ended in between.
            Some((buckets, 0)) => Self::of(buckets, fresh_secret()),
            Some((buckets, secret)) => Self::of(buckets, secret),
            None => Self::of(buckets, fresh_secret()),
        }
    }

    fn of(buckets: u32, secret: u64) -> Self {
        Self {
            buckets,
            mask: buckets - 1,
            secret,
            secrets: secrets(secret),
        }
    }

    /// What the secret makes.
    pub fn secrets(&self) -> &Secrets {
        &self.secrets
    }

    /// The number of a place's bucket.
    pub fn bucket<const W: usize>(&self, place: &Place<W>) -> u32 {
        place.bucket(self.mask)
    }

    /// Makes the map and the programs so.
    pub fn ask<'a>(&'a self, table: Table, loader: &mut EbpfLoader<'a>) {
        loader.map_max_entries(table.map, self.buckets + 1);
        loader.override_global(table.mask, &self.mask, true);
        let needed = if table == V4 { 2 } else { 5 };
        loader.override_global(table.secrets, &self.secrets[..needed], true);
    }

    /// Writes the secret down for a later daemon.
    pub fn keep<const N: usize>(&self, table: Table, ebpf: &mut Ebpf) -> Result<(), MapsError> {
        let map = ebpf.map_mut(table.map).ok_or(MapsError::NoMap(table.map))?;
        let mut array = Array::<_, [u64; N]>::try_from(map).map_err(|source| MapsError::Kind {
            name: table.map,
            source,
        })?;
        let mut last = [0; N];
        last[0] = self.secret;
        access(
            table.map,
            "keep its secret",
            array.set(self.buckets, last, 0),
        )
    }
}

/// The factors that a secret makes.
pub(super) fn secrets(secret: u64) -> Secrets {
    let mut state = secret;
    std::array::from_fn(|_| splitmix(&mut state) | 1)
}

/// What nobody can guess: the standard library seeds its hash maps from the kernel's random numbers.
pub(super) fn fresh_secret() -> u64 {
    RandomState::new().hash_one(()) | 1
}

/// Numbers from one secret (Steele, Lea and Flood, "Fast splittable pseudorandom number generators").
fn splitmix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ mixed >> 31
}

/// Buckets and secret of a pinned table; nothing when none is there, or not one of this kind.
fn earlier<const N: usize>(pin: &Path) -> Option<(u32, u64)> {
    let data = MapData::from_pin(pin).ok()?;
    let buckets = data.info().ok()?.max_entries().checked_sub(1)?;
    let array = Array::<_, [u64; N]>::try_from(Map::Array(data)).ok()?;
    let [secret, ..] = array.get(&buckets, 0).ok()?[..] else {
        return None;
    };
    buckets.is_power_of_two().then_some((buckets, secret))
}

/// A copy of a bucket.
#[derive(Debug)]
pub struct Copied<const N: usize>([Cell<u64>; N]);

impl<const N: usize> Copied<N> {
    /// Of these words.
    pub fn of(words: [u64; N]) -> Self {
        Self(words.map(Cell::new))
    }

    /// The words.
    pub fn words(&self) -> [u64; N] {
        std::array::from_fn(|index| self.0[index].get())
    }
}

impl<const N: usize> Bucket for Copied<N> {
    fn load(&self, index: usize) -> u64 {
        self.0.get(index).map_or(0, Cell::get)
    }
    fn store(&self, index: usize, value: u64) {
        if let Some(word) = self.0.get(index) {
            word.set(value);
        }
    }
}

/// A table of flows that is read from outside.
pub struct Flows<const N: usize> {
    map: &'static str,
    array: Array<MapData, [u64; N]>,
    shape: Shape,
}

impl<const N: usize> Flows<N> {
    /// The table in a map; reads its shape from it.
    pub fn of(table: Table, data: MapData) -> Result<Self, MapsError> {
        let name = table.map;
        let entries = access(name, "ask about itself", data.info())?.max_entries();
        let array = Array::<_, [u64; N]>::try_from(Map::Array(data))
            .map_err(|source| MapsError::Kind { name, source })?;
        let buckets = entries.saturating_sub(1).max(1);
        let last = access(name, "be read", array.get(&buckets, 0))?;
        Ok(Self {
            map: name,
            array,
            shape: Shape::of(buckets, last[0]),
        })
    }

    /// What is known of an endpoint's flow.
    pub fn get<const W: usize>(
        &self,
        key: &FlowKey<W>,
        endpoint: u32,
    ) -> Result<Option<Flow>, MapsError> {
        let place = Place::of(key, endpoint, self.shape.secrets());
        let bucket = self.bucket(self.shape.bucket(&place))?;
        Ok(place.find(&bucket))
    }

    /// Calls `take` with each flow.
    pub fn walk<const W: usize>(
        &self,
        mut take: impl FnMut(FlowKey<W>, Flow),
    ) -> Result<(), MapsError> {
        for index in 0..self.shape.buckets {
            let bucket = self.bucket(index)?;
            for slot in 0..SLOTS {
                if let Some((key, flow)) = flow_table::entry(&bucket, slot, self.shape.secrets()) {
                    take(key, flow);
                }
            }
        }
        Ok(())
    }

    /// Writes every flow anew as `change` wants it. Whatever programs write meanwhile may be lost: for
    /// tables that nobody else uses.
    pub fn change<const W: usize>(
        &mut self,
        change: impl Fn(Flow) -> Flow,
    ) -> Result<(), MapsError> {
        for index in 0..self.shape.buckets {
            let bucket = self.bucket(index)?;
            let mut changed = false;
            for slot in 0..SLOTS {
                let held = flow_table::entry::<W>(&bucket, slot, self.shape.secrets());
                if let Some((key, flow)) = held {
                    let place = Place::of(&key, flow.endpoint, self.shape.secrets());
                    place.put(&bucket, slot, &change(flow));
                    changed = true;
                }
            }
            if changed {
                let done = self.array.set(index, bucket.words(), 0);
                access(self.map, "change a flow", done)?;
            }
        }
        Ok(())
    }

    fn bucket(&self, index: u32) -> Result<Copied<N>, MapsError> {
        let words: Result<_, MapError> = self.array.get(&index, 0);
        access(self.map, "be read", words).map(Copied::of)
    }
}

/// Where the table is pinned below a directory.
pub fn pin(table: Table, directory: &Path) -> PathBuf {
    directory.join(table.map)
}
