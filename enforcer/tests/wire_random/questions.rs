//! Which questions are asked.

use std::net::IpAddr;

use enforcer_policy::oracle::{Answer, Objects};

use crate::dice::Dice;
use crate::probe::{Kind, Probe};
use crate::world::{Who, World};

/// Ports of each protocol that a pair is asked about.
const PORTS: usize = 2;

/// The two ends of a question.
#[derive(Clone, Copy, Debug)]
struct Pair {
    host: usize,
    from: IpAddr,
    to: IpAddr,
    /// Whether there is a program at the sender's side, and at the receiver's.
    judged: (bool, bool),
}

/// Every ordered pair of hosts of which one is a pod, and every pod and itself, in each family, with
/// every protocol. The numbers of the questions begin at `first`.
pub(crate) fn questions(
    world: &World,
    objects: &Objects,
    dice: &mut Dice,
    first: u64,
) -> Vec<Probe> {
    let mut probes = Vec::new();
    for pair in pairs(world) {
        for kind in kinds(world, objects, dice, pair) {
            let answer = ask(objects, pair.from, pair.to, kind);
            probes.push(Probe {
                id: first + probes.len() as u64,
                host: pair.host,
                from: pair.from,
                to: pair.to,
                kind,
                allowed: is_allowed(&answer, pair.judged),
                answer,
            });
        }
    }
    dice.shuffle(&mut probes);
    probes
}

/// What the oracle says about two addresses.
pub(crate) fn ask(objects: &Objects, from: IpAddr, to: IpAddr, kind: Kind) -> Answer {
    objects.ask(&Probe::question(from, to, kind)).unwrap()
}

/// Only ends at which there is a program can deny.
pub(crate) fn is_allowed(answer: &Answer, judged: (bool, bool)) -> bool {
    (!judged.0 || answer.egress.allowed()) && (!judged.1 || answer.ingress.allowed())
}

fn pairs(world: &World) -> Vec<Pair> {
    let ends: Vec<(usize, IpAddr, bool)> = world
        .hosts
        .iter()
        .enumerate()
        .flat_map(|(number, host)| {
            let is_pod = matches!(host.who, Who::Pod(..));
            let addresses = host.addresses.iter();
            addresses.map(move |address| (number, *address, is_pod))
        })
        .collect();
    let mut pairs = Vec::new();
    for (host, from, from_pod) in &ends {
        for (other, to, to_pod) in &ends {
            let related = host != other || from == to;
            if related && from.is_ipv4() == to.is_ipv4() && (*from_pod || *to_pod) {
                pairs.push(Pair {
                    host: *host,
                    from: *from,
                    to: *to,
                    judged: (*from_pod, *to_pod),
                });
            }
        }
    }
    pairs
}

fn kinds(world: &World, objects: &Objects, dice: &mut Dice, pair: Pair) -> Vec<Kind> {
    let mut kinds = vec![Kind::Icmp];
    // Both directions of a protocol without ports are one flow: only one of them is opened.
    if pair.from < pair.to {
        kinds.push(Kind::Gre);
    }
    for kind in [Kind::Tcp, Kind::Udp, Kind::Sctp] {
        let mut ports = dice.some(world.ports.clone(), world.ports.len());
        // The first that is allowed comes first, so that denials do not drown everything.
        let allowed = ports.iter().position(|port| {
            let answer = ask(objects, pair.from, pair.to, kind(*port));
            is_allowed(&answer, pair.judged)
        });
        ports.swap(0, allowed.unwrap_or(0));
        kinds.extend(ports.into_iter().take(PORTS).map(kind));
    }
    kinds
}
