//! Which questions are asked.

use std::net::IpAddr;

use enforcer_policy::oracle::{Answer, Objects};

use crate::probe::{Kind, Probe, question};
use crate::random::Random;
use crate::world::{Host, World};

/// Ports of each protocol that a pair is asked about.
const PORTS: usize = 2;

/// Who judges a connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Judged {
    /// There is a program at the sender's side.
    egress: bool,
    /// There is a program at the receiver's side.
    ingress: bool,
    /// It is between a pod and its own node, with whatever address.
    own_node: bool,
}

impl Judged {
    pub(crate) fn between(from: &Host, to: &Host) -> Self {
        Self {
            egress: from.is_pod(),
            ingress: to.is_pod(),
            own_node: from.is_node_of(to),
        }
    }

    /// To somebody who is not of the lab.
    pub(crate) fn by_sender(from: &Host) -> Self {
        Self {
            egress: from.is_pod(),
            ingress: false,
            own_node: false,
        }
    }

    pub(crate) fn is_by_receiver(self) -> bool {
        self.ingress
    }

    /// Only ends at which there is a program can deny.
    pub(crate) fn allows(self, answer: &Answer) -> bool {
        let egress = !self.egress || answer.egress.allowed();
        let ingress = !self.ingress || answer.ingress.allowed();
        self.own_node || (egress && ingress)
    }
}

/// The two ends of a question.
#[derive(Clone, Copy, Debug)]
struct Pair {
    host: usize,
    from: IpAddr,
    source: IpAddr,
    to: IpAddr,
    judged: Judged,
}

/// Every ordered pair of hosts of which one is a pod, and every pod and itself, in each family, with
/// every protocol. The numbers of the questions begin at `first`.
pub(crate) fn questions(
    world: &World,
    objects: &Objects,
    dice: &mut Random,
    first: u64,
) -> Vec<Probe> {
    let mut probes = Vec::new();
    for pair in pairs(world) {
        for kind in kinds(world, objects, dice, pair) {
            let answer = ask(objects, pair.source, pair.to, kind);
            probes.push(Probe {
                id: first + probes.len() as u64,
                host: pair.host,
                from: pair.from,
                source: pair.source,
                to: pair.to,
                kind,
                allowed: pair.judged.allows(&answer),
                answer,
                backends: None,
            });
        }
    }
    dice.shuffle(&mut probes);
    probes
}

/// What the oracle says about two addresses.
pub(crate) fn ask(objects: &Objects, from: IpAddr, to: IpAddr, kind: Kind) -> Answer {
    objects.ask(&question(from, to, kind)).unwrap()
}

fn pairs(world: &World) -> Vec<Pair> {
    let ends: Vec<(usize, IpAddr)> = world
        .hosts
        .iter()
        .enumerate()
        .flat_map(|(number, host)| host.addresses.iter().map(move |address| (number, *address)))
        .collect();
    let mut pairs = Vec::new();
    for (host, from) in &ends {
        for (other, to) in &ends {
            let hosts = [host, other].map(|number| &world.hosts[*number]);
            let related = host != other || from == to;
            let judged = Judged::between(hosts[0], hosts[1]);
            if related && from.is_ipv4() == to.is_ipv4() && (judged.egress || judged.ingress) {
                pairs.push(Pair {
                    host: *host,
                    from: *from,
                    source: world.source(hosts[0], *from, hosts[1]),
                    to: *to,
                    judged,
                });
            }
        }
    }
    pairs
}

fn kinds(world: &World, objects: &Objects, dice: &mut Random, pair: Pair) -> Vec<Kind> {
    let mut kinds = vec![Kind::Icmp];
    // Both directions of a protocol without ports are one flow: only one of them is opened.
    // The kernel's NAT has nothing to tell two of them apart by.
    if pair.from < pair.to && !world.masquerades(pair.from, pair.to) {
        kinds.push(Kind::Gre);
    }
    for kind in [Kind::Tcp, Kind::Udp, Kind::Sctp] {
        let mut ports = dice.some(world.ports.clone(), world.ports.len());
        // The first that is allowed comes first, so that denials do not drown everything.
        let allowed = ports.iter().position(|port| {
            let answer = ask(objects, pair.source, pair.to, kind(*port));
            pair.judged.allows(&answer)
        });
        ports.swap(0, allowed.unwrap_or(0));
        kinds.extend(ports.into_iter().take(PORTS).map(kind));
    }
    kinds
}
