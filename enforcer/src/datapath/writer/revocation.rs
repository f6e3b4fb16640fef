//! Pods whose policy may have taken back connections to endpoints of services, and which of them it
//! has.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;

use enforcer_common::abi::{Direction, Endpoint, Flow, address};
use enforcer_policy::model::PodKey;
use enforcer_policy::tables::{Op, Tables};

use super::{Owner, Wanted, Writer};
use crate::datapath::adopt;
use crate::datapath::conntrack::{Answers, Entry};
use crate::datapath::revoke;

impl Writer {
    /// Notes the pods whose policy may deny more when these operations are done.
    pub(super) fn suspect_before(&mut self, ops: &[Op]) {
        for op in ops {
            if let Op::PutEndpoint(pod, new) = op
                && revoke::may_deny_more(self.endpoints.get(pod), new)
            {
                self.suspects.insert(pod.clone());
            }
        }
    }

    /// The pods of links that get another owner: those of links that had one before, of this daemon
    /// or an earlier one, and the others.
    pub(super) fn arrivals(&self, wanted: &Wanted<'_>) -> [Vec<PodKey>; 2] {
        let mut arrivals = [Vec::new(), Vec::new()];
        for (ifindex, (owner, _)) in wanted {
            let held = self.links.get(*ifindex);
            let is_first = held.is_none() && self.numbering.earlier(*ifindex).is_none();
            if held.is_none_or(|link| link.owner != *owner) {
                arrivals[usize::from(is_first)].extend(owner.pod().cloned());
            }
        }
        arrivals
    }

    /// Whether there are pods to be told by [`Self::take_suspects`].
    pub fn has_suspects(&self) -> bool {
        !self.suspects.is_empty()
    }

    /// The addresses of pods that may have connections which their policies no longer allow; each
    /// is told once. Nothing is revoked in audit mode.
    pub fn take_suspects(&mut self) -> HashSet<IpAddr> {
        let suspects = std::mem::take(&mut self.suspects);
        if self.options.audit {
            return HashSet::new();
        }
        let links = self.links.values();
        links
            .filter_map(|link| Some((link.owner.pod()?, &link.owner)))
            .filter(|(pod, _)| suspects.contains(pod))
            .filter_map(|(pod, owner)| self.judging(pod, owner))
            .flat_map(|endpoint| addresses(&endpoint))
            .collect()
    }

    /// Which of these translated connections the policies of who opened them deny.
    pub fn forbidden(&self, tables: &Tables, entries: &[(Entry, Answers)]) -> Vec<Answers> {
        let links = self.links.values();
        let endpoints: HashMap<IpAddr, Endpoint> = links
            .filter_map(|link| self.judging(link.owner.pod()?, &link.owner))
            .flat_map(|endpoint| addresses(&endpoint).map(move |address| (address, endpoint)))
            .collect();
        let denied = |(entry, answers): &&(Entry, Answers)| {
            let endpoint = endpoints.get(&entry.original.source);
            endpoint.is_some_and(|endpoint| {
                revoke::denies(tables, endpoint, answers)
                    && (revoke::defers(tables, endpoint, entry)
                        || self.was_deferred(endpoint, entry))
            })
        };
        let denied = entries.iter().filter(denied);
        denied.map(|(_, answers)| *answers).collect()
    }

    /// The endpoint of a pod's link, if its policy may deny what it opens.
    fn judging(&self, pod: &PodKey, owner: &Owner) -> Option<Endpoint> {
        let endpoint = owner.endpoint(*self.endpoints.get(pod)?);
        revoke::judges(&endpoint).then_some(endpoint)
    }

    /// Whether the programs have deferred it, when its destination was a service's address.
    fn was_deferred(&self, endpoint: &Endpoint, entry: &Entry) -> bool {
        let key = adopt::key(&entry.original, entry.protocol, Direction::Egress);
        let held = key.zip(self.numbering.known(endpoint.id));
        let flow = held.and_then(|(key, owner)| self.seeds.get(&key, owner));
        flow.is_some_and(|flow| flow.state & Flow::DEFERRED != 0)
    }
}

fn addresses(endpoint: &Endpoint) -> impl Iterator<Item = IpAddr> + use<> {
    let addresses = [address::to_ip(endpoint.v4), address::to_ip(endpoint.v6)];
    addresses
        .into_iter()
        .filter(|address| !address.is_unspecified())
}
