//! The prefix tree of the ipBlocks in use.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipnet::IpNet;

use super::criteria::CriterionId;
use crate::rule::IpBlock;

/// One block of a criterion: its place in the list.
type Member = (CriterionId, usize);

/// What begins and what ends at a prefix.
#[derive(Debug, Default)]
struct Prefix {
    /// Blocks with this CIDR.
    cidr_of: BTreeSet<Member>,
    /// Blocks with this exception.
    except_of: BTreeSet<Member>,
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
    /// Takes the blocks of a criterion into use.
    pub(super) fn start(&mut self, id: CriterionId, blocks: &[IpBlock]) {
        for (index, block) in blocks.iter().enumerate() {
            self.entry(block.cidr).cidr_of.insert((id, index));
            for except in holes(block) {
                self.entry(except).except_of.insert((id, index));
            }
        }
    }

    fn entry(&mut self, net: IpNet) -> &mut Prefix {
        let lengths = &mut self.lengths;
        self.prefixes.entry(net).or_insert_with(|| {
            *lengths.entry(length(net)).or_default() += 1;
            Prefix::default()
        })
    }

    /// Takes the blocks of a criterion out of use.
    pub(super) fn stop(&mut self, id: CriterionId, blocks: &[IpBlock]) {
        for (index, block) in blocks.iter().enumerate() {
            self.stop_member((id, index), block);
        }
    }

    fn stop_member(&mut self, member: Member, block: &IpBlock) {
        for net in holes(block).chain([block.cidr]) {
            let Some(prefix) = self.prefixes.get_mut(&net) else {
                continue;
            };
            prefix.cidr_of.remove(&member);
            prefix.except_of.remove(&member);
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

    /// The prefixes whose first address is one of these.
    pub(super) fn beginning(
        &self,
        first: IpAddr,
        last: IpAddr,
    ) -> impl Iterator<Item = IpNet> + '_ {
        let begin = IpNet::new(first, 0).unwrap_or(IpNet::from(first));
        let end = IpNet::from(last);
        self.prefixes.range(begin..=end).map(|(net, _)| *net)
    }

    /// The criteria with a block that covers an address, sorted.
    pub(super) fn covering(&self, address: IpAddr) -> Vec<CriterionId> {
        self.covering_net(IpNet::from(address))
    }

    /// The criteria, sorted, with a block that covers every address of `net` that is in no longer
    /// prefix.
    pub(super) fn covering_net(&self, net: IpNet) -> Vec<CriterionId> {
        let (six, longest) = length(net);
        let mut begun: Vec<Member> = Vec::new();
        let mut ended: BTreeSet<Member> = BTreeSet::new();
        for (&(_, length), _) in self.lengths.range((six, 0)..=(six, longest)) {
            let Ok(outer) = IpNet::new(net.addr(), length) else {
                continue;
            };
            if let Some(prefix) = self.prefixes.get(&outer.trunc()) {
                begun.extend(&prefix.cidr_of);
                ended.extend(&prefix.except_of);
            }
        }
        // A block begins once, and its exceptions are within it.
        begun.retain(|member| !ended.contains(member));
        let mut criteria: Vec<_> = begun.into_iter().map(|(id, _)| id).collect();
        criteria.sort_unstable();
        criteria.dedup();
        criteria
    }
}

fn length(net: IpNet) -> (bool, u8) {
    (matches!(net, IpNet::V6(_)), net.prefix_len())
}

/// The exceptions that matter: one outside its CIDR would be no exception of anything.
pub(super) fn holes(block: &IpBlock) -> impl Iterator<Item = IpNet> + '_ {
    let cidr = block.cidr;
    block
        .except
        .iter()
        .copied()
        .filter(move |except| cidr.contains(except))
}
