//! Connections from before a pod's isolation, taken over from the kernel's table.
//!
//! The table is read just before the switch, and once more behind it for what was opened in
//! between. Where there is none, or it does not know a connection, the programs go by the ports.

use std::collections::HashSet;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use enforcer_common::abi::{Direction, Endpoint, address};
use enforcer_policy::tables::Op;

use super::{Wanted, Writer};
use crate::datapath::adopt::{Adopter, Adopters, Key, Seed, seeds};
use crate::datapath::clock::{self, ClockError};
use crate::datapath::conntrack::dump::{self, DumpError, Extent};
use crate::datapath::discover::{self, DiscoverError};
use crate::datapath::seed;

/// How long a look at the table may keep everything else waiting. A table of 262,144 connections,
/// the kernel's usual limit, takes about 0.6 seconds of an idle CPU.
const LIMIT: Duration = Duration::from_secs(3);

/// Why connections cannot be taken over.
#[derive(Debug, thiserror::Error)]
enum AdoptionError {
    #[error(transparent)]
    Dump(#[from] DumpError),
    #[error(transparent)]
    Clock(#[from] ClockError),
    #[error(transparent)]
    Node(#[from] DiscoverError),
}

/// Endpoints that become isolated together, and what they have taken over so far.
#[derive(Debug, Default)]
pub(super) struct Adoption {
    adopters: Adopters,
    seeded: HashSet<Key>,
    /// The table has been looked at.
    looked: bool,
}

impl Adoption {
    /// Notes an endpoint (as the kernel gets it) that was `old` before, if it becomes isolated in a
    /// direction in which it was not.
    fn note(&mut self, old: Option<Endpoint>, new: Endpoint) {
        let old = old.filter(|old| old.id == new.id);
        let isolated = |direction| old.is_some_and(|old| old.isolated(direction));
        if !Direction::ALL
            .into_iter()
            .any(|direction| new.isolated(direction) && !isolated(direction))
        {
            return;
        }
        let adopter = Adopter {
            endpoint: new.id,
            tracked: old.is_some_and(|old| old.flags & Endpoint::ISOLATED != 0),
        };
        let addresses = [address::to_ip(new.v4), address::to_ip(new.v6)];
        self.adopters.endpoints.extend(
            addresses
                .into_iter()
                .filter(|address| !address.is_unspecified())
                .map(|address: IpAddr| (address, adopter)),
        );
    }

    /// Nothing to take over was found.
    pub(super) fn is_idle(&self) -> bool {
        self.seeded.is_empty()
    }
}

impl Writer {
    /// The adoption that these operations need, and the first of them that it must precede.
    pub(super) fn adoption_before(&mut self, ops: &[Op]) -> (Adoption, usize) {
        let mut adoption = Adoption::default();
        let mut first = ops.len();
        for (index, op) in ops.iter().enumerate() {
            let Op::PutEndpoint(pod, new) = op else {
                continue;
            };
            let old = self.endpoints.get(pod).copied();
            for (ifindex, owner) in self.links_of(pod) {
                let [old, new] = [old, Some(*new)].map(|endpoint| {
                    let endpoint = owner.endpoint(endpoint?);
                    Some(self.numbering.in_kernel(ifindex, endpoint))
                });
                if let Some(new) = new {
                    adoption.note(old, new);
                }
            }
            if !adoption.adopters.endpoints.is_empty() {
                first = first.min(index);
            }
        }
        (adoption, first)
    }

    /// The adoption that the links need which get another owner.
    pub(super) fn adoption_at(&mut self, wanted: &Wanted<'_>) -> Adoption {
        let mut adoption = Adoption::default();
        for (ifindex, (owner, _)) in wanted {
            let held = self.links.get(*ifindex);
            let Some(new) = owner.pod().and_then(|pod| self.endpoints.get(pod)) else {
                continue;
            };
            if held.is_none_or(|link| link.owner != *owner) {
                // Before the numbering forgets what the earlier daemon had there.
                let earlier = self.numbering.earlier(*ifindex);
                let new = owner.endpoint(*new);
                let new = self.numbering.in_kernel(*ifindex, new);
                adoption.note(earlier, new);
            }
        }
        adoption
    }

    /// Takes over what the table has of these endpoints and what has not been taken over yet.
    pub(super) fn adopt(&mut self, adoption: &mut Adoption) {
        if adoption.adopters.endpoints.is_empty() {
            return;
        }
        let begin = Instant::now();
        let (found, extent) = match self.find(adoption, begin + LIMIT) {
            Ok(found) => found,
            Err(error) => return self.without_table(&error),
        };
        self.without_table = false;
        for seed in &found {
            if let Err(error) = seed::put(&mut self.ebpf, seed) {
                tracing::warn!(%error, "connections of newly isolated pods are judged by their ports");
                return;
            }
        }
        if extent == Extent::Part {
            tracing::warn!(
                "the table of connections is too large to be read whole; what was not read is judged by its ports"
            );
        }
        if !adoption.looked || !found.is_empty() {
            tracing::info!(
                connections = found.len(),
                addresses = adoption.adopters.endpoints.len(),
                milliseconds = begin.elapsed().as_millis(),
                "took over connections of newly isolated pods"
            );
        }
        adoption.looked = true;
    }

    fn find(
        &mut self,
        adoption: &mut Adoption,
        until: Instant,
    ) -> Result<(Vec<Seed>, Extent), AdoptionError> {
        let Adoption {
            adopters, seeded, ..
        } = adoption;
        let mut entries = Vec::new();
        let mut extent = Extent::Whole;
        for part in adopters.parts(dump::count()) {
            let read = dump::entries(part, until, |entry| {
                let sides = [entry.original.source, entry.reply.source];
                if sides
                    .iter()
                    .any(|side| adopters.endpoints.contains_key(side))
                {
                    entries.push(entry);
                }
            })?;
            if read == Extent::Part {
                extent = read;
            }
        }
        // A new pod has none. To ask for the node's addresses takes the longer the more links it has.
        if entries.is_empty() {
            return Ok((Vec::new(), extent));
        }
        adopters.node = discover::local_addresses()?;
        let now = clock::now(&mut self.ebpf)?;
        let seeds = entries.iter().flat_map(|entry| seeds(entry, adopters, now));
        let found = seeds.filter(|seed| seeded.insert(seed.key)).collect();
        Ok((found, extent))
    }

    /// Said once until it is there again.
    fn without_table(&mut self, error: &AdoptionError) {
        if !self.without_table {
            tracing::info!(
                %error,
                "connections from before a pod's isolation are judged by their ports"
            );
        }
        self.without_table = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POD: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1));

    /// An endpoint with these policy sets, ingress first.
    fn endpoint(id: u32, sets: [u32; 2]) -> Endpoint {
        let IpAddr::V4(v4) = POD else {
            return Endpoint::default();
        };
        Endpoint {
            id,
            sets,
            flags: if sets == [0, 0] {
                0
            } else {
                Endpoint::ISOLATED
            },
            v4: address::v4(v4),
            ..Endpoint::default()
        }
    }

    /// Whether the endpoint takes its connections over, and the programs track them already.
    fn adopts(old: Option<Endpoint>, new: Endpoint) -> Option<bool> {
        let mut adoption = Adoption::default();
        adoption.note(old, new);
        let endpoints = &adoption.adopters.endpoints;
        assert!(endpoints.len() <= 1, "it has one address");
        endpoints.get(&POD).map(|adopter| adopter.tracked)
    }

    #[test]
    fn who_becomes_isolated_in_a_direction_takes_its_connections_over() {
        let free = Some(endpoint(1, [0, 0]));
        let ingress = Some(endpoint(1, [7, 0]));
        assert_eq!(adopts(None, endpoint(1, [7, 0])), Some(false));
        assert_eq!(adopts(free, endpoint(1, [0, 7])), Some(false));
        assert_eq!(adopts(ingress, endpoint(1, [7, 8])), Some(true));
    }

    #[test]
    fn who_is_isolated_as_before_or_less_does_not() {
        let both = Some(endpoint(1, [7, 8]));
        assert_eq!(adopts(both, endpoint(1, [9, 8])), None);
        assert_eq!(adopts(both, endpoint(1, [0, 8])), None);
        assert_eq!(adopts(None, endpoint(1, [0, 0])), None);
    }

    #[test]
    fn what_was_tracked_for_another_pod_says_nothing() {
        let other = Some(endpoint(2, [7, 8]));
        assert_eq!(adopts(other, endpoint(1, [7, 8])), Some(false));
    }
}
