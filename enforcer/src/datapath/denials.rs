//! What the programs count of denials that are no events: see [`enforcer_common::denials`].

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};

use aya::maps::{Map, MapData, PerCpuArray};
use aya::{Ebpf, EbpfLoader};
use enforcer_common::Reason;
use enforcer_common::abi::{Direction, Event, limits};
use enforcer_common::denials::{self, BUCKET, Entry, SLOTS};
use enforcer_common::flow_table::Secrets;

use super::flow_maps::{Copied, fresh_secret, secrets};
use super::load::LoadOptions;
use super::maps::{Maps, MapsError, access, take};

const MAP: &str = "DENIALS";

/// Bytes that the map may take, on all CPUs together.
const MOST_BYTES: usize = 8 << 20;

/// What a hundred thousand records a second would tell nobody: of more than so many at a time the largest
/// are told, and the others counted.
const MOST_RECORDS: usize = 1024;

/// How the map is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    buckets: u32,
    mask: u32,
    secret: u64,
    secrets: Secrets,
    each: u8,
}

impl Shape {
    pub(super) fn choose(options: &LoadOptions) -> Self {
        let wanted = options.map_entries.get(MAP).copied();
        let buckets = wanted.unwrap_or_else(default_buckets).max(1);
        let buckets = 1 << buckets.ilog2();
        let secret = fresh_secret();
        Self {
            buckets,
            mask: buckets - 1,
            secret,
            secrets: secrets(secret),
            each: u8::from(options.each_denial),
        }
    }

    /// Makes the map and the programs so. One element more has the secret, for who reads the map.
    pub(super) fn ask<'a>(&'a self, loader: &mut EbpfLoader<'a>) {
        loader.map_max_entries(MAP, self.buckets + 1);
        loader.override_global("DENIAL_MASK", &self.mask, true);
        loader.override_global("DENIAL_SECRETS", &self.secrets[..4], true);
        loader.override_global("EACH_DENIAL", &self.each, true);
    }

    pub(super) fn keep(&self, ebpf: &mut Ebpf) -> Result<(), MapsError> {
        let map = ebpf.map_mut(MAP).ok_or(MapsError::NoMap(MAP))?;
        let mut array = PerCpuArray::<_, [u64; BUCKET]>::try_from(map)
            .map_err(|source| MapsError::Kind { name: MAP, source })?;
        let mut last = [0; BUCKET];
        last[0] = self.secret;
        let all = aya::util::nr_cpus().map(|cpus| vec![last; cpus]);
        let all = all.and_then(|all| all.try_into().map_err(|error| (MAP, error)));
        let all = all.map_err(|(_, source)| MapsError::Access {
            name: MAP,
            what: "be counted by CPUs",
            source: source.into(),
        })?;
        access(MAP, "keep its secret", array.set(self.buckets, all, 0))
    }
}

/// A power of two, fewer on machines with many CPUs.
fn default_buckets() -> u32 {
    let cpus = aya::util::nr_cpus().unwrap_or(1).max(1);
    let fit = MOST_BYTES / (BUCKET * size_of::<u64>() * cpus);
    let fit = u32::try_from(fit).unwrap_or(limits::DENIALS);
    fit.clamp(64, limits::DENIALS)
}

/// How many denials of each kind have no record, by hook and reason.
pub type Unrecorded = BTreeMap<(Direction, Reason), u64>;

/// Alike denials that came since the last time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Alike {
    /// What the last of them was like.
    pub event: Event,
    /// How many.
    pub count: u64,
}

/// What was read of a slot.
#[derive(Clone, Copy, Debug)]
struct Known {
    tag: u64,
    count: u64,
    base: u64,
    of: Option<(Direction, Reason)>,
}

/// Reads what was counted; keeps in mind what it has read.
pub struct Denials {
    slots: PerCpuArray<MapData, [u64; BUCKET]>,
    counters: PerCpuArray<MapData, [u8; 16]>,
    buckets: u32,
    secrets: Secrets,
    /// By bucket, CPU and slot.
    known: HashMap<(u32, u16, usize), Known>,
    /// What was read of slots that have got other keys since.
    ended: Unrecorded,
    /// What was read and is told of by its number alone.
    left_out: Unrecorded,
    unrecorded: Unrecorded,
}

impl Denials {
    /// Of a loaded object, from which `maps` were taken.
    pub fn take(ebpf: &mut Ebpf, maps: &Maps) -> Result<Self, MapsError> {
        let Some(Map::PerCpuArray(data)) = ebpf.map(MAP) else {
            return Err(MapsError::NoMap(MAP));
        };
        let entries = access(MAP, "ask about itself", data.info())?.max_entries();
        let buckets = entries.saturating_sub(1);
        let slots: PerCpuArray<_, [u64; BUCKET]> = take(ebpf, MAP)?;
        let last = access(MAP, "be read", slots.get(&buckets, 0))?;
        let secret = last.first().map_or(0, |words| words[0]);
        Ok(Self {
            slots,
            counters: maps.counters_again()?,
            buckets,
            secrets: secrets(secret),
            known: HashMap::new(),
            ended: Unrecorded::new(),
            left_out: Unrecorded::new(),
            unrecorded: Unrecorded::new(),
        })
    }

    /// What was counted since the last time, the most frequent first.
    pub fn sweep(&mut self) -> Result<Vec<Alike>, MapsError> {
        // Before the slots: what has gone from a slot by now is seen to have gone.
        let uncounted = super::maps::unrecorded(&self.counters)?;
        let mut news: HashMap<u64, (Entry, u64)> = HashMap::new();
        for bucket in 0..self.buckets {
            let values = access(MAP, "be read", self.slots.get(&bucket, 0))?;
            for (cpu, words) in (0..).zip(values.iter()) {
                let words = Copied::of(*words);
                for slot in 0..SLOTS {
                    let entry = denials::entry(&words, slot, &self.secrets);
                    if let Some(entry) = entry {
                        let count = self.news((bucket, cpu, slot), entry);
                        if count > 0 {
                            news.entry(entry.tag).or_insert((entry, 0)).1 += count;
                        }
                    }
                }
            }
        }
        let told = self.tell(news);
        self.unrecorded = self.without_record(uncounted);
        Ok(told)
    }

    /// How many denials have no record, as of the last time.
    pub fn unrecorded(&self) -> &Unrecorded {
        &self.unrecorded
    }

    /// How many more a slot has counted since it was last read.
    fn news(&mut self, place: (u32, u16, usize), entry: Entry) -> u64 {
        let now = Known {
            tag: entry.tag,
            count: entry.count,
            base: entry.base,
            of: of(&entry),
        };
        match self.known.insert(place, now) {
            Some(before) if (before.tag, before.base) == (now.tag, now.base) => {
                now.count - before.count
            }
            Some(before) => {
                add(&mut self.ended, before.of, before.count - before.base);
                now.count - now.base
            }
            None => now.count - now.base,
        }
    }

    fn tell(&mut self, news: HashMap<u64, (Entry, u64)>) -> Vec<Alike> {
        let mut news: Vec<(Entry, u64)> = news.into_values().collect();
        news.sort_unstable_by_key(|(entry, count)| (Reverse(*count), entry.tag));
        for (entry, count) in news.drain(news.len().min(MOST_RECORDS)..) {
            add(&mut self.left_out, of(&entry), count);
        }
        let alike = |(entry, count): (Entry, u64)| Alike {
            event: entry.denial.event(),
            count,
        };
        news.into_iter().map(alike).collect()
    }

    fn without_record(&self, mut uncounted: Unrecorded) -> Unrecorded {
        for (what, count) in &mut uncounted {
            *count -= self.ended.get(what).copied().unwrap_or(0).min(*count);
        }
        for (what, count) in &self.left_out {
            *uncounted.entry(*what).or_default() += count;
        }
        uncounted
    }
}

/// What it is counted for; `None` for numbers that no program of this version writes.
fn of(entry: &Entry) -> Option<(Direction, Reason)> {
    let hook = Direction::from_number(entry.denial.hook())?;
    Some((hook, Reason::from_number(entry.denial.counted_for())?))
}

fn add(to: &mut Unrecorded, of: Option<(Direction, Reason)>, count: u64) {
    if let Some(of) = of {
        *to.entry(of).or_default() += count;
    }
}
