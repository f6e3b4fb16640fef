//! Rules, found by whom they mean.

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;

use ipnet::IpNet;

use super::Asked;
use crate::compile::index::PodIndex;
use crate::rule::{IpBlock, PeerSelector, Peers};

/// Numbers of rules, by their peers.
#[derive(Debug)]
pub(super) struct ByPeer {
    /// Those that mean everybody.
    anybody: Vec<u32>,
    /// One item for each selector of a rule.
    pods: PodIndex<u32>,
    /// The rules of these items.
    selecting: Vec<u32>,
    blocks: HashMap<IpNet, Vec<(u32, Vec<IpNet>)>>,
    /// The families (whether IPv6) and lengths of these blocks.
    lengths: BTreeSet<(bool, u8)>,
}

impl ByPeer {
    pub(super) fn new() -> Self {
        Self {
            anybody: Vec::new(),
            pods: PodIndex::new(),
            selecting: Vec::new(),
            blocks: HashMap::new(),
            lengths: BTreeSet::new(),
        }
    }

    /// Takes a rule in.
    pub(super) fn insert(&mut self, rule: u32, peers: &Peers) {
        match peers {
            Peers::Of(peers) if !peers.is_empty() => {
                for peer in peers {
                    match peer {
                        PeerSelector::Pods(selector) => {
                            let item = u32::try_from(self.selecting.len()).unwrap_or(u32::MAX);
                            self.selecting.push(rule);
                            self.pods.insert(item, selector);
                        }
                        PeerSelector::Block(block) => self.insert_block(rule, block),
                    }
                }
            }
            // An empty list lacks nothing.
            Peers::Any | Peers::Of(_) => self.anybody.push(rule),
        }
    }

    fn insert_block(&mut self, rule: u32, block: &IpBlock) {
        let cidr = block.cidr;
        let of_cidr = self.blocks.entry(cidr).or_default();
        of_cidr.push((rule, block.except.clone()));
        let length = (cidr.addr().is_ipv6(), cidr.prefix_len());
        self.lengths.insert(length);
    }

    /// The rules that mean the peer, sorted, each once.
    pub(super) fn meaning(&self, asked: &Asked<'_>) -> Vec<u32> {
        let mut rules = self.anybody.clone();
        if let Some((key, pod)) = asked.peer_pod {
            let of_namespace = asked.cluster.namespace_labels(&key.namespace);
            let items = self
                .pods
                .matching(&key.namespace, &of_namespace, &pod.labels);
            let of_item = |item: u32| self.selecting.get(item as usize).copied();
            rules.extend(items.into_iter().filter_map(of_item));
        }
        if let Some(address) = asked.peer.address {
            rules.extend(self.with_address(address));
        }
        rules.sort_unstable();
        rules.dedup();
        rules
    }

    fn with_address(&self, address: IpAddr) -> impl Iterator<Item = u32> {
        let family = address.is_ipv6();
        let lengths = self.lengths.range((family, 0)..=(family, u8::MAX));
        let covering = lengths.filter_map(move |(_, length)| {
            let net = IpNet::new(address, *length).ok()?.trunc();
            self.blocks.get(&net)
        });
        let of_net = covering.flatten();
        of_net
            .filter(move |(_, except)| !except.iter().any(|hole| hole.contains(&address)))
            .map(|(rule, _)| *rule)
    }
}
