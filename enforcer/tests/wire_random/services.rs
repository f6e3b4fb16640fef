//! Questions to services: each may be answered by some of several backends.

use std::net::{IpAddr, SocketAddr};

use enforcer_lab::Protocol;
use enforcer_lab::proxy::TrafficPolicy;
use enforcer_policy::oracle::{Answer, Objects, Part, ServiceQuestion, Side, Target};

use crate::probe::{Backend, Kind, Probe};
use crate::questions::ask;
use crate::random::Random;
use crate::world::{Host, Who, World};

/// Attempts of each pod at each port of a service; each may get another backend.
const ATTEMPTS: usize = 2;

/// Every pod asks every service of its families by cluster address and by its own node's ports.
pub(crate) fn questions(
    world: &World,
    objects: &Objects,
    dice: &mut Random,
    first: u64,
) -> Vec<Probe> {
    let mut probes = Vec::new();
    for (number, host) in world.hosts.iter().enumerate() {
        let Who::Pod(_, node, _) = host.who else {
            continue;
        };
        for from in &host.addresses {
            for (to, kind, masqueraded) in frontends(world, node, *from) {
                let backends = backends(world, objects, host, *from, (to, kind), masqueraded);
                let all = backends.iter().all(|backend| backend.allowed);
                for _ in 0..ATTEMPTS.min(backends.len().max(1)) {
                    probes.push(Probe {
                        id: first + probes.len() as u64,
                        host: number,
                        from: *from,
                        source: *from,
                        to,
                        kind,
                        answer: Answer {
                            egress: Part::NotApplicable,
                            ingress: Part::NotApplicable,
                        },
                        allowed: all && !backends.is_empty(),
                        backends: Some(backends.clone()),
                    });
                }
            }
        }
    }
    dice.shuffle(&mut probes);
    probes
}

/// Where services are for a pod of a node, and whether what goes there gets the node's address.
fn frontends(world: &World, node: usize, from: IpAddr) -> Vec<(IpAddr, Kind, bool)> {
    let proxy = &world.proxies[node];
    let same = |address: &&IpAddr| address.is_ipv4() == from.is_ipv4();
    let mut found = Vec::new();
    for service in &proxy.services {
        // A service of the other family alone has no node port in this one.
        let Some(address) = service.cluster_ips.iter().find(same) else {
            continue;
        };
        for port in &service.ports {
            let kind = |number| match port.protocol {
                Protocol::Udp => Kind::Udp(number),
                Protocol::Tcp | Protocol::Sctp => Kind::Tcp(number),
            };
            found.push((*address, kind(port.port), proxy.masquerade_all));
            let masqueraded = service.external == TrafficPolicy::Cluster;
            let node = world.listed[node].iter().find(same);
            // Without masquerading, what comes back over an unfiltered bridge is not translated.
            let comes_back = masqueraded || !proxy.masquerade_all;
            if let (Some(number), Some(node), true) = (port.node_port, node, comes_back) {
                found.push((*node, kind(number), masqueraded));
            }
        }
    }
    found
}

/// The backends that the oracle knows, each with its verdict for this sender.
fn backends(
    world: &World,
    objects: &Objects,
    host: &Host,
    from: IpAddr,
    (to, kind): (IpAddr, Kind),
    masqueraded: bool,
) -> Vec<Backend> {
    let (protocol, port) = kind.protocol(to.is_ipv6());
    let question = ServiceQuestion {
        from: Side::Address(from),
        to: Target::Address(to),
        protocol,
        port,
    };
    let answer = objects.ask_service(&question).unwrap();
    let known = answer.backends.into_iter().map(|backend| {
        let at = SocketAddr::new(backend.address, backend.port);
        let own = host.addresses.contains(&at.ip());
        let source = if masqueraded || own {
            world.masqueraded(host, at.ip())
        } else {
            from
        };
        let answer = real(world, objects, host, from, source, at, kind);
        Backend {
            at,
            source,
            allowed: own || world.judged(host, at.ip()).allows(&answer),
            answer,
        }
    });
    known.collect()
}

/// What both ends of the real connection say: the sender about the real destination, the receiver
/// about the source that it sees. A node that only forwards is nobody's own node.
pub(crate) fn real(
    world: &World,
    objects: &Objects,
    host: &Host,
    from: IpAddr,
    source: IpAddr,
    at: SocketAddr,
    kind: Kind,
) -> Answer {
    let kind = kind.with_port(at.port());
    let answer = ask(objects, from, at.ip(), kind);
    if source == from || !world.judged(host, at.ip()).is_by_receiver() {
        return answer;
    }
    let without_nodes = Objects {
        nodes: Vec::new(),
        ..objects.clone()
    };
    Answer {
        ingress: ask(&without_nodes, source, at.ip(), kind).ingress,
        ..answer
    }
}
