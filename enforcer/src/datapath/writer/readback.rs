//! Comparing maps with what was written to them, and mending what differs.

use enforcer_policy::tables::Tables;

use super::{MapsError, Writer};
use crate::datapath::maps::Ids;
use crate::datapath::readback::{BATCH, Entry, wanted_behind};

/// What a step of reading back came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Step {
    /// What was not as written, and is again.
    pub repaired: Vec<Entry>,
    /// The last entry that was looked at; `None` when these were all.
    pub last: Option<Entry>,
}

impl Writer {
    /// The handle for reading keys beside this writer.
    pub fn ids(&self) -> Ids {
        self.maps.ids()
    }

    /// Compares the next entries behind `last` with `tables`, which are in force, and writes anew what
    /// differs. When that fails, isolated endpoints deny everything, as after every failed write.
    pub fn read_back(&mut self, tables: &Tables, last: Option<Entry>) -> Step {
        if self.broken.is_some() {
            return Step {
                repaired: Vec::new(),
                last,
            };
        }
        let entries = wanted_behind(last, self.links.by_index(), tables);
        let more = entries.len() == BATCH;
        let repaired = self.mend(&entries, |writer, entry| writer.mend_wanted(tables, entry));
        Step {
            repaired,
            last: entries.last().copied().filter(|_| more),
        }
    }

    /// Removes those of these entries that `tables` do not have.
    pub fn remove_strays(&mut self, tables: &Tables, entries: &[Entry]) -> Vec<Entry> {
        if self.broken.is_some() {
            return Vec::new();
        }
        self.mend(entries, |writer, entry| writer.remove_stray(tables, entry))
    }

    fn mend(
        &mut self,
        entries: &[Entry],
        mend: impl Fn(&mut Self, Entry) -> Result<bool, MapsError>,
    ) -> Vec<Entry> {
        let mut repaired = Vec::new();
        let outcome = entries.iter().try_for_each(|entry| {
            if mend(self, *entry)? {
                repaired.push(*entry);
            }
            Ok(())
        });
        let outcome = outcome.and_then(|()| {
            if repaired.is_empty() {
                return Ok(());
            }
            self.judge_anew()
        });
        if let Err(error) = outcome {
            tracing::error!(%error, "a map that is not as written cannot be mended; isolated endpoints deny everything until all is written again");
            self.broken = Some(error.to_string());
        }
        repaired
    }

    /// Whether an entry was another than `tables` say.
    fn mend_wanted(&mut self, tables: &Tables, entry: Entry) -> Result<bool, MapsError> {
        let maps = &mut self.maps;
        match entry {
            Entry::Endpoint(ifindex) => return self.mend_endpoint(ifindex),
            Entry::Port(slot) => {
                let range = tables.ports.get(slot as usize);
                if let Some(range) = range.filter(|range| !holds(maps.port(slot), range)) {
                    maps.put_ports(slot, std::slice::from_ref(range))?;
                    return Ok(true);
                }
            }
            Entry::Verdict(key) => {
                let verdict = tables.verdicts.get(&key);
                if let Some(verdict) = verdict.filter(|one| !holds(maps.verdict(key), one)) {
                    maps.put_verdict(key, *verdict)?;
                    return Ok(true);
                }
            }
            Entry::Cidr(net) => {
                let peer = tables.cidrs.get(&net);
                if let Some(peer) = peer.filter(|peer| !holds(maps.cidr(net), peer)) {
                    maps.put_cidr(net, *peer)?;
                    return Ok(true);
                }
            }
            Entry::Address(address) => {
                let peer = tables.addresses.get(&address);
                if let Some(peer) = peer.filter(|peer| !holds(maps.address(address), peer)) {
                    maps.put_address(address, *peer)?;
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    fn mend_endpoint(&mut self, ifindex: u32) -> Result<bool, MapsError> {
        let Some(link) = self.links.get(ifindex) else {
            return Ok(false);
        };
        let owner = link.owner.clone();
        let endpoint = self.endpoint(ifindex, &owner)?;
        if holds(self.maps.endpoint(ifindex), &endpoint) {
            return Ok(false);
        }
        self.maps.put_endpoint(ifindex, &endpoint)?;
        Ok(true)
    }

    /// Whether an entry was there that `tables` do not have.
    fn remove_stray(&mut self, tables: &Tables, entry: Entry) -> Result<bool, MapsError> {
        let maps = &mut self.maps;
        match entry {
            Entry::Verdict(key) if !tables.verdicts.contains_key(&key) => {
                let there = !matches!(maps.verdict(key), Ok(None));
                maps.delete_verdict(key)?;
                Ok(there)
            }
            Entry::Address(address) if !tables.addresses.contains_key(&address) => {
                let there = !matches!(maps.address(address), Ok(None));
                maps.delete_address(address)?;
                Ok(there)
            }
            Entry::Cidr(net) if !tables.cidrs.contains_key(&net) => maps.delete_cidr(net),
            _ => Ok(false),
        }
    }

    /// What was allowed while a table was wrong may not be allowed: every flow is judged again.
    fn judge_anew(&mut self) -> Result<(), MapsError> {
        self.numbering.raise();
        self.suspects.extend(self.endpoints.keys().cloned());
        let links = self.links.iter();
        let links: Vec<_> = links
            .map(|(ifindex, link)| (*ifindex, link.owner.clone()))
            .collect();
        links
            .into_iter()
            .try_for_each(|(ifindex, owner)| self.put_endpoint(ifindex, &owner))
    }
}

/// Whether a map holds this. Where it cannot be read, it does not: writing will tell.
fn holds<T: PartialEq>(held: Result<Option<T>, MapsError>, wanted: &T) -> bool {
    matches!(held, Ok(Some(held)) if held == *wanted)
}
