//! `--cut` on random clusters and changes: what it lists is what a node in memory really cuts, one
//! map entry after the other; and on the way every flow has its old or its new verdict.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use enforcer::datapath::conntrack::{Entry, Ports, State, Tuple};
use enforcer::datapath::discover::{LinkKind, Links, Namespace, PodLink};
use enforcer::datapath::flows::Tracked;
use enforcer::datapath::frame;
use enforcer::datapath::matching::{match_pods, pods_here};
use enforcer::datapath::memory::Memory;
use enforcer::datapath::netns::NetnsId;
use enforcer::source::manifests::ManifestSource;
use enforcer::trace::cut::{Node, Report, Traffic, cut};
use enforcer_common::Action;
use enforcer_common::abi::{Direction, Endpoint, Flow};
use enforcer_common::packet::Frame;
use enforcer_policy::compile::{Capacity, Compiler, Scope};
use enforcer_policy::model::{Cluster, PodKey};
use enforcer_policy::oracle::Objects;
use enforcer_policy::tables::Op;
use enforcer_testing::generate;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::command::Folder;
use crate::written::manifests;

const PROTOCOLS: [(u8, u16); 4] = [(6, 80), (17, 53), (132, 8080), (1, 8)];
/// Where packets come in that no pod of the node has sent.
const UPLINK: u32 = 60_000;
/// How many connections of a cluster are made.
const MOST: usize = 60;

/// A connection, client first.
type Connection = (u8, SocketAddr, SocketAddr);

/// A node that exists in memory only: every pod of the cluster has a link, and keeps it.
struct Host {
    compiler: Compiler,
    memory: Memory,
    links: Links,
    /// The link of each address.
    at: BTreeMap<IpAddr, u32>,
}

impl Host {
    fn new(cluster: &Cluster) -> Self {
        let mut compiler = Compiler::new(Scope::All, Capacity::default());
        compiler.apply(Cluster::default().changes_to(cluster));
        let pods = pods_here(cluster, None);
        let namespaces: Vec<Namespace> = (10..).zip(&pods).map(namespace).collect();
        let links = Links {
            namespaces,
            ..Links::default()
        };
        let all = links.namespaces.iter().flat_map(|one| &one.links);
        let at = all.flat_map(|link| link.addresses.iter().map(|at| (*at, link.host_ifindex)));
        let mut host = Self {
            memory: Memory::new(compiler.tables().clone()),
            at: at.collect(),
            compiler,
            links,
        };
        host.follow();
        host
    }

    /// Gives every link the endpoint of its pod.
    fn follow(&mut self) {
        let pods = pods_here(self.compiler.cluster(), None);
        let matching = match_pods(&self.links, &pods);
        let pending = |ifindex: u32| Endpoint {
            id: 1 << 31 | ifindex,
            flags: Endpoint::PENDING,
            ..Endpoint::default()
        };
        self.memory.links.clear();
        for link in &matching.unknown {
            let ifindex = link.host_ifindex;
            self.memory.links.insert(ifindex, pending(ifindex));
        }
        for (link, _) in &matching.ambiguous {
            let mut endpoint = pending(link.host_ifindex);
            endpoint.flags |= Endpoint::DENY_ALL;
            self.memory.links.insert(link.host_ifindex, endpoint);
        }
        for (pod, links) in &matching.links {
            let endpoint = self.compiler.tables().endpoints.get(pod).copied();
            for link in links {
                let endpoint = endpoint.unwrap_or_else(|| pending(link.host_ifindex));
                self.memory.links.insert(link.host_ifindex, endpoint);
            }
        }
        for (pod, links) in &matching.secondary {
            let endpoint = self.compiler.tables().endpoints.get(pod).copied();
            for link in links {
                let endpoint = endpoint.map(|endpoint| link.second(endpoint));
                let endpoint = endpoint.unwrap_or_else(|| pending(link.host_ifindex));
                self.memory.links.insert(link.host_ifindex, endpoint);
            }
        }
    }

    /// Sends a packet through the links of both ends; says whether it gets through.
    fn passes(&self, bytes: &[u8], from: IpAddr, to: IpAddr) -> bool {
        let [from, to] = [from, to].map(|address| self.at.get(&address).copied());
        let came_by = from.unwrap_or(UPLINK);
        let hooks = [(from, Direction::Egress), (to, Direction::Ingress)];
        hooks.into_iter().all(|(link, hook)| {
            let Some(ifindex) = link.filter(|link| self.memory.links.contains_key(link)) else {
                return true;
            };
            let frame = Frame {
                bytes,
                ifindex,
                ingress_ifindex: came_by,
                ..Frame::default()
            };
            self.memory.process(&frame, hook).action() == Action::Pass
        })
    }

    fn opens(&self, (protocol, client, server): Connection) -> bool {
        // SYN, INIT or a request; the client's port is that of all made-up connections.
        let opening = frame::opening(client.ip(), server.ip(), protocol, server.port()).unwrap();
        self.passes(&opening, client.ip(), server.ip())
    }

    fn goes_on(&self, (protocol, client, server): Connection) -> bool {
        let packet = frame::continuing(client, server, protocol).unwrap();
        self.passes(&packet, client.ip(), server.ip())
    }

    /// What the programs track of these connections, and what the kernel's table has.
    fn traffic(&self, connections: &[Connection]) -> Traffic {
        let mut traffic = Traffic::default();
        let pods = pods_here(self.compiler.cluster(), None);
        let matching = match_pods(&self.links, &pods);
        for pod in matching.links.keys() {
            let id = self.compiler.tables().endpoints[pod].id;
            traffic.owners.insert(id, pod.clone());
        }
        for &(protocol, client, server) in connections {
            let ports = match protocol {
                1 | 58 => [Ports::Echo(client.port()); 2],
                _ => [(client, server), (server, client)]
                    .map(|(from, to)| Ports::Pair(from.port(), to.port())),
            };
            let tuple = |from: SocketAddr, to: SocketAddr, ports| Tuple {
                source: from.ip(),
                destination: to.ip(),
                ports,
            };
            traffic.entries.push(Entry {
                protocol,
                original: tuple(client, server, ports[0]),
                reply: tuple(server, client, ports[1]),
                state: State::Open,
            });
            let ends = [
                (client, server, Direction::Egress),
                (server, client, Direction::Ingress),
            ];
            for (pod, peer, direction) in ends {
                let link = self.at.get(&pod.ip());
                let endpoint = link.and_then(|link| self.memory.links.get(link));
                let Some(endpoint) = endpoint.filter(|it| it.flags & Endpoint::ISOLATED != 0)
                else {
                    continue;
                };
                traffic.flows.push(Tracked {
                    pod,
                    peer,
                    protocol,
                    flow: Flow {
                        endpoint: endpoint.id,
                        initiator: direction as u8,
                        ..Flow::default()
                    },
                    idle: 1,
                });
            }
        }
        traffic
    }

    /// Does a write as the writer does it: one map entry at a time.
    fn write(&mut self, op: &Op, mut look: impl FnMut(&Self)) {
        match op {
            Op::PutPorts(offset, ranges) => {
                for (slot, range) in (*offset..).zip(ranges) {
                    self.memory.tables.apply(&Op::PutPorts(slot, vec![*range]));
                    look(self);
                }
            }
            Op::PutEndpoint(pod, endpoint) => {
                for ifindex in self.links_of(pod) {
                    self.memory.links.insert(ifindex, *endpoint);
                    look(self);
                }
            }
            // Its links become pending when the daemon has looked whose they are.
            Op::DeleteEndpoint(_) => {}
            table => {
                self.memory.tables.apply(table);
                look(self);
            }
        }
    }

    /// The links that have the endpoint of a pod now.
    fn links_of(&self, pod: &PodKey) -> Vec<u32> {
        let namespaces = self.links.namespaces.iter();
        let own = namespaces.filter(|one| one.path == path(pod));
        own.flat_map(|one| &one.links)
            .map(|link| link.host_ifindex)
            .collect()
    }
}

fn path(pod: &PodKey) -> PathBuf {
    PathBuf::from(pod.to_string())
}

fn namespace((ifindex, (pod, addresses)): (u32, (&PodKey, &Vec<IpAddr>))) -> Namespace {
    // One link for each family.
    let links = (0..).zip(addresses).map(|(family, address)| {
        Arc::new(PodLink {
            host_ifindex: ifindex * 2 + family,
            host_name: format!("veth{ifindex}-{family}"),
            kind: LinkKind::Veth,
            namespace: path(pod),
            pod_ifindex: 2 + family,
            pod_ifname: format!("eth{family}"),
            addresses: vec![*address],
        })
    });
    Namespace {
        path: path(pod),
        id: NetnsId {
            device: 4,
            inode: ifindex.into(),
        },
        links: links.collect(),
        unenforceable: Vec::new(),
    }
}

fn cluster(objects: &Objects) -> Cluster {
    let folder = Folder::with(&manifests(objects));
    ManifestSource::new(folder.manifests()).reload().cluster
}

/// Addresses that one selectable pod alone has: of others nobody says whose the link is.
fn pods_addresses(cluster: &Cluster) -> Vec<IpAddr> {
    let mut claims = BTreeMap::<IpAddr, usize>::new();
    for addresses in pods_here(cluster, None).values() {
        for address in addresses {
            *claims.entry(*address).or_default() += 1;
        }
    }
    let single = claims.into_iter().filter(|(_, count)| *count == 1);
    single.map(|(address, _)| address).collect()
}

/// Connections between pods, and with somebody outside, that no policy forbids.
fn connections(host: &Host, cluster: &Cluster, seed: usize) -> Vec<Connection> {
    let mut ends = pods_addresses(cluster);
    ends.extend(["203.0.113.7", "2a00::1"].map(|text| text.parse::<IpAddr>().unwrap()));
    let mut all = Vec::new();
    for client in &ends {
        for server in ends.iter().filter(|server| *server != client) {
            for (protocol, port) in PROTOCOLS {
                let protocol = if protocol == 1 && client.is_ipv6() {
                    58
                } else {
                    protocol
                };
                if client.is_ipv4() == server.is_ipv4() {
                    let client = SocketAddr::new(*client, frame::CLIENT_PORT);
                    all.push((protocol, client, SocketAddr::new(*server, port)));
                }
            }
        }
    }
    let step = 1 + all.len() / (4 * MOST);
    let some = all.into_iter().skip(seed % step).step_by(step);
    some.filter(|connection| host.opens(*connection))
        .take(MOST)
        .collect()
}

/// The connections of a report.
fn listed(report: &Report) -> BTreeSet<Connection> {
    let number = |name: &str| match name {
        "TCP" => 6,
        "UDP" => 17,
        "SCTP" => 132,
        "ICMP" => 1,
        _ => 58,
    };
    let cuts = report.cut.iter();
    cuts.map(|cut| {
        let port = |port: Option<u16>, echo| port.unwrap_or(echo);
        let client = port(cut.client.port, frame::CLIENT_PORT);
        (
            number(&cut.protocol),
            SocketAddr::new(cut.client.address, client),
            SocketAddr::new(cut.server.address, port(cut.server.port, 8)),
        )
    })
    .collect()
}

/// What was met: connections cut, kept, and packets on the way.
type Met = [usize; 3];

fn one_change(before: &Objects, after: &Objects, seed: usize) -> Result<Met, TestCaseError> {
    let (now, then) = (cluster(before), cluster(after));
    let mut host = Host::new(&now);
    let live = connections(&host, &now, seed);
    let traffic = host.traffic(&live);
    let node = Node {
        name: None,
        capacity: Capacity::default(),
        local_addresses: BTreeSet::new(),
        links: Links {
            namespaces: host.links.namespaces.clone(),
            ..Links::default()
        },
        pending_deny: false,
    };
    let report = cut(&node, &now, &then, &traffic).unwrap();
    let listed = listed(&report);

    let mut packets = 0;
    let mut wrong = None;
    let changes = now.changes_to(&then);
    // Of several changes each may be seen alone; and who has whose link is not known at once.
    let [old, new] = [&now, &then].map(|cluster| pods_here(cluster, None));
    let moved =
        |(pod, addresses): (_, &Vec<IpAddr>)| new.get(pod).is_some_and(|it| it != addresses);
    let alone = changes.len() == 1 && !old.iter().any(moved);
    let ops = host.compiler.apply(changes);
    for op in &ops {
        host.write(op, |host| {
            // Now and then only: what one packet does to its flow must not matter to the next.
            packets += 1;
            for connection in live.iter().skip(packets % 7).step_by(7) {
                if !host.goes_on(*connection) && alone && !listed.contains(connection) {
                    wrong.get_or_insert((*connection, op.clone()));
                }
            }
        });
    }
    prop_assert!(
        wrong.is_none(),
        "cut on the way, and not listed: {:?}",
        wrong
    );
    host.follow();
    let mut met = [0, 0, packets];
    for connection in &live {
        let is_cut = !host.goes_on(*connection);
        let told = listed.contains(connection);
        prop_assert_eq!(told, is_cut, "{:?}, listed: {:?}", connection, report);
        met[usize::from(!is_cut)] += 1;
    }
    Ok(met)
}

#[test]
fn what_is_listed_is_what_a_change_cuts_and_nothing_else_is_cut_on_the_way() {
    let all = RefCell::new([0; 3]);
    let mut runner = TestRunner::new(Config::with_cases(96));
    let case = (generate::objects(), generate::edits(3), any::<usize>());
    let result = runner.run(&case, |(before, edits, seed)| {
        let mut after = before.clone();
        for edit in &edits {
            edit.apply(&mut after);
        }
        let met = one_change(&before, &after, seed)?;
        for (sum, more) in all.borrow_mut().iter_mut().zip(met) {
            *sum += more;
        }
        Ok(())
    });
    result.unwrap_or_else(|error| panic!("{error}"));
    let met = all.into_inner();
    assert!(met.iter().all(|count| *count > 100), "{met:?}");
}
