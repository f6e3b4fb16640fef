//! Reading maps back: whether they hold what was written, entry by entry, so slowly that nobody
//! notices. Nobody else writes to them, so a difference is a bug, broken memory, or somebody with
//! `bpftool`.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::ops::Bound;
use std::time::Duration;

use enforcer_common::abi::VerdictKey;
use enforcer_policy::tables::Tables;
use ipnet::IpNet;
use tokio::sync::mpsc;

use super::maps::Ids;

/// Entries that are looked at together.
pub const BATCH: usize = 256;

/// The pause between two of these.
pub const PAUSE: Duration = Duration::from_millis(100);

/// An entry of some map. The order is that in which they are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Entry {
    /// The endpoint of a link.
    Endpoint(u32),
    /// A slot of the port array.
    Port(u32),
    /// A verdict.
    Verdict(VerdictKey),
    /// A prefix.
    Cidr(IpNet),
    /// An address.
    Address(IpAddr),
}

impl Entry {
    /// The map that it is in; the two of both families are one.
    pub const fn map(self) -> &'static str {
        match self {
            Self::Endpoint(_) => MAPS[0],
            Self::Port(_) => MAPS[1],
            Self::Verdict(_) => MAPS[2],
            Self::Cidr(_) => MAPS[3],
            Self::Address(_) => MAPS[4],
        }
    }
}

/// The maps that are read back.
pub const MAPS: [&str; 5] = ["ENDPOINTS", "PORTS", "VERDICTS", "CIDRS", "ADDRESSES"];

/// The key as people read it.
impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Endpoint(ifindex) => write!(f, "link {ifindex}"),
            Self::Port(slot) => write!(f, "slot {slot}"),
            Self::Verdict(key) => write!(f, "set {}, identity {}", key.set, key.identity),
            Self::Cidr(net) => write!(f, "{net}"),
            Self::Address(address) => write!(f, "{address}"),
        }
    }
}

/// The next entries that should be there, behind `last`; fewer than [`BATCH`] when these are all.
pub(super) fn wanted_behind<L>(
    last: Option<Entry>,
    links: &BTreeMap<u32, L>,
    tables: &Tables,
) -> Vec<Entry> {
    let ports = u32::try_from(tables.ports.len()).unwrap_or(u32::MAX);
    let first_link = match last {
        None => Bound::Unbounded,
        Some(Entry::Endpoint(ifindex)) => Bound::Excluded(ifindex),
        Some(_) => Bound::Excluded(u32::MAX),
    };
    let first_port = match last {
        None | Some(Entry::Endpoint(_)) => 0,
        Some(Entry::Port(slot)) => slot.saturating_add(1),
        Some(_) => ports,
    };
    let verdicts = behind(&tables.verdicts, last, |last| match last {
        Entry::Endpoint(_) | Entry::Port(_) => Some(None),
        Entry::Verdict(key) => Some(Some(key)),
        _ => None,
    });
    let cidrs = behind(&tables.cidrs, last, |last| match last {
        Entry::Cidr(net) => Some(Some(net)),
        Entry::Address(_) => None,
        _ => Some(None),
    });
    let addresses = behind(&tables.addresses, last, |last| match last {
        Entry::Address(address) => Some(Some(address)),
        _ => Some(None),
    });
    let links = links.range((first_link, Bound::Unbounded));
    let links = links.map(|(ifindex, _)| Entry::Endpoint(*ifindex));
    let all = links
        .chain((first_port..ports).map(Entry::Port))
        .chain(verdicts.map(Entry::Verdict))
        .chain(cidrs.map(Entry::Cidr))
        .chain(addresses.map(Entry::Address));
    all.take(BATCH).collect()
}

/// The keys of a table behind the last entry: `place` says whether that is behind this table
/// (`None`), before it, or where in it.
fn behind<K: Ord + Copy, V>(
    table: &BTreeMap<K, V>,
    last: Option<Entry>,
    place: impl Fn(Entry) -> Option<Option<K>>,
) -> impl Iterator<Item = K> {
    let place = last.map_or(Some(None), place);
    let range = place.map(|key| {
        let first = key.map_or(Bound::Unbounded, Bound::Excluded);
        table.range((first, Bound::Unbounded))
    });
    range.into_iter().flatten().map(|(key, _)| *key)
}

/// Begins to read the keys that maps have, on a thread of its own, which ends with the last of them or
/// when nobody listens.
pub fn start(ids: Ids) -> std::io::Result<mpsc::Receiver<Vec<Entry>>> {
    let (sender, receiver) = mpsc::channel(1);
    let work = move || {
        let mut batch = Vec::new();
        let read = ids.visit(&mut |entry| {
            batch.push(entry);
            if batch.len() < BATCH {
                return true;
            }
            std::thread::sleep(PAUSE);
            sender.blocking_send(std::mem::take(&mut batch)).is_ok()
        });
        if let Err(error) = read {
            tracing::warn!(%error, "cannot read the maps back; they are read again next time");
        }
        // Nobody may listen any more.
        let _ = sender.blocking_send(batch);
    };
    std::thread::Builder::new()
        .name("read-back".to_owned())
        .spawn(work)?;
    Ok(receiver)
}

#[cfg(test)]
mod tests {
    use enforcer_common::abi::{Peer, PortRange, Verdict};

    use super::*;

    fn tables() -> Tables {
        let mut tables = Tables {
            ports: vec![PortRange::default(); BATCH],
            ..Tables::default()
        };
        for set in 1..100 {
            let key = VerdictKey { set, identity: 0 };
            tables.verdicts.insert(key, Verdict::DENY_ALL);
        }
        for last in 0..200_u8 {
            let address = IpAddr::from([10, 0, 0, last]);
            tables.addresses.insert(address, Peer::default());
            tables.cidrs.insert(address.into(), Peer::default());
        }
        tables
    }

    #[test]
    fn every_entry_comes_once_and_in_order_however_the_batches_fall() {
        let links = BTreeMap::from([(3, "eth0"), (5, "eth1")]);
        let tables = tables();
        let (mut all, mut last) = (Vec::<Entry>::new(), None);
        loop {
            let batch = wanted_behind(last, &links, &tables);
            assert!(batch.len() <= BATCH);
            all.extend(&batch);
            last = batch.last().copied();
            if batch.len() < BATCH {
                break;
            }
        }
        assert_eq!(all.len(), 2 + BATCH + 99 + 200 + 200);
        assert!(all.is_sorted_by(|one, next| one < next));
    }

    #[test]
    fn what_comes_while_it_is_read_is_not_missed_nor_taken_twice() {
        let links: BTreeMap<u32, &str> = BTreeMap::new();
        let mut tables = Tables::default();
        let net = |number: u8| IpNet::from(IpAddr::from([10, 0, 0, number]));
        tables.cidrs.insert(net(5), Peer::default());
        let last = wanted_behind(None, &links, &tables).last().copied();
        tables.cidrs.insert(net(7), Peer::default());
        tables.cidrs.insert(net(3), Peer::default());
        assert_eq!(wanted_behind(last, &links, &tables), [Entry::Cidr(net(7))]);
    }
}
