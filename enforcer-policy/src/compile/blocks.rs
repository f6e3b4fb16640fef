//! The prefix tree of the ipBlocks in use.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipnet::IpNet;

use super::criteria::CriterionId;
use crate::rule::IpBlock;

/// What begins and what ends at a prefix.
#[derive(Debug, Default)]
struct Prefix {
    /// Blocks with this CIDR.
    cidr_of: BTreeSet<CriterionId>,
    /// Blocks with this exception.
    except_of: BTreeSet<CriterionId>,
}

/// Every CIDR and every exception of a block in use is a prefix. Whether a block covers an address
/// is the same for all addresses that have the same longest prefix.
#[derive(Debug, Default)]
pub(super) struct Blocks {
    prefixes: BTreeMap<IpNet, Prefix>,
    /// How many prefixes there are of each family and length.
    lengths: BTreeMap<(bool, u8), usize>,
}

impl Blocks {
    /// Takes a block into use.
    pub(super) fn start(&mut self, id: CriterionId, block: &IpBlock) {
        self.entry(block.cidr).cidr_of.insert(id);
        for except in holes(block) {
            self.entry(except).except_of.insert(id);
        }
    }

    fn entry(&mut self, net: IpNet) -> &mut Prefix {
        let lengths = &mut self.lengths;
        self.prefixes.entry(net).or_insert_with(|| {
            *lengths.entry(length(net)).or_default() += 1;
            Prefix::default()
        })
    }

    /// Takes a block out of use.
    pub(super) fn stop(&mut self, id: CriterionId, block: &IpBlock) {
        for net in holes(block).chain([block.cidr]) {
            let Some(prefix) = self.prefixes.get_mut(&net) else {
                continue;
            };
            prefix.cidr_of.remove(&id);
            prefix.except_of.remove(&id);
            if prefix.cidr_of.is_empty() && prefix.except_of.is_empty() {
                self.prefixes.remove(&net);
                self.shorten(net);
            }
        }
    }

    fn shorten(&mut self, net: IpNet) {
        if let Some(count) = self.lengths.get_mut(&length(net)) {
            *count -= 1;
            if *count == 0 {
                self.lengths.remove(&length(net));
            }
        }
    }

    /// Whether the prefix is that of a block in use or of an exception.
    pub(super) fn contains(&self, net: IpNet) -> bool {
        self.prefixes.contains_key(&net)
    }

    /// The prefixes within `net`, itself among them.
    pub(super) fn within(&self, net: IpNet) -> impl Iterator<Item = IpNet> + '_ {
        let last = IpNet::from(net.broadcast());
        self.prefixes.range(net..=last).map(|(net, _)| *net)
    }

    /// The blocks that cover an address, sorted.
    pub(super) fn covering(&self, address: IpAddr) -> Vec<CriterionId> {
        self.covering_net(IpNet::from(address))
    }

    /// The blocks, sorted, that cover every address of `net` that is in no longer prefix.
    pub(super) fn covering_net(&self, net: IpNet) -> Vec<CriterionId> {
        let (six, longest) = length(net);
        let mut covering = BTreeSet::new();
        for (&(_, length), _) in self.lengths.range((six, 0)..=(six, longest)) {
            let Ok(outer) = IpNet::new(net.addr(), length) else {
                continue;
            };
            if let Some(prefix) = self.prefixes.get(&outer.trunc()) {
                covering.extend(&prefix.cidr_of);
                for id in &prefix.except_of {
                    covering.remove(id);
                }
            }
        }
        covering.into_iter().collect()
    }
}

fn length(net: IpNet) -> (bool, u8) {
    (matches!(net, IpNet::V6(_)), net.prefix_len())
}

/// The exceptions that matter: one outside its CIDR would be no exception of anything.
fn holes(block: &IpBlock) -> impl Iterator<Item = IpNet> + '_ {
    let cidr = block.cidr;
    block
        .except
        .iter()
        .copied()
        .filter(move |except| cidr.contains(except))
}
