//! The node as it is, or as it would be: which endpoint each link has, and what becomes of the next
//! packet of a connection there.

use std::collections::{BTreeSet, HashMap};
use std::net::{IpAddr, SocketAddr};

use enforcer_common::Reason;
use enforcer_common::abi::{Direction, Endpoint, Flow};
use enforcer_common::parse::pair;
use enforcer_common::tables::AddressTables;
use enforcer_policy::compile::Compiler;
use enforcer_policy::explain::{PeerSide, explain_by};
use enforcer_policy::model::{Cluster, PodKey};

use super::Node;
use super::connection::Connection;
use super::report::State;
use crate::datapath::adopt::Key;
use crate::datapath::discover::PodLink;
use crate::datapath::frame;
use crate::datapath::judge::{Arrival, Judge as _, JudgeError, LINK, OTHER_LINK};
use crate::datapath::matching::{Matching, match_pods, pods_here};
use crate::datapath::memory::Memory;
use crate::datapath::writer::without_pod;
use crate::trace::{Nearest, RuleName};

/// A pod's link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Site {
    pub(super) pod: PodKey,
    ifindex: u32,
    /// The number that the pod's flows have.
    id: u32,
}

pub(super) struct World {
    compiler: Compiler,
    memory: Memory,
    /// The links of pods by their addresses.
    sites: HashMap<IpAddr, Site>,
    /// The endpoints of the links that have programs.
    endpoints: HashMap<u32, Endpoint>,
}

impl World {
    /// The node with these objects.
    pub(super) fn new(node: &Node, cluster: &Cluster) -> Self {
        let mut compiler = Compiler::new(node.scope(), node.capacity);
        compiler.apply(Cluster::default().changes_to(cluster));
        compiler.set_local_addresses(node.local_addresses.clone());
        Self::of(node, compiler)
    }

    /// The same node when its objects have become these.
    pub(super) fn after(node: &Node, now: &Cluster, then: &Cluster) -> Self {
        // The numbers of endpoints are those of the world before, so that flows know their pods.
        let mut compiler = Self::new(node, now).compiler;
        compiler.apply(now.changes_to(then));
        Self::of(node, compiler)
    }

    fn of(node: &Node, compiler: Compiler) -> Self {
        let pods = pods_here(compiler.cluster(), node.name.as_deref());
        let matching = match_pods(&node.links, &pods);
        Self {
            memory: Memory::new(compiler.tables().clone()),
            sites: sites(&matching, &compiler),
            endpoints: endpoints(&matching, &compiler, node.pending_deny),
            compiler,
        }
    }

    /// The link of this node that has an address.
    pub(super) fn site(&self, address: IpAddr) -> Option<&Site> {
        self.sites.get(&address)
    }

    /// Whether an address is that of a pod here whose flows are not tracked.
    pub(super) fn tracks_nothing_at(&self, address: IpAddr) -> bool {
        let site = self.site(address);
        site.is_some_and(|site| !self.isolates(&site.pod))
    }

    /// Whether a policy isolates a pod in any direction.
    pub(super) fn isolates(&self, pod: &PodKey) -> bool {
        let endpoint = self.compiler.tables().endpoints.get(pod);
        endpoint.is_some_and(|endpoint| endpoint.flags & Endpoint::ISOLATED != 0)
    }

    /// The pods with a link here, sorted.
    pub(super) fn pods(&self) -> BTreeSet<&PodKey> {
        self.sites.values().map(|site| &site.pod).collect()
    }

    /// Who has an address, in words.
    pub(super) fn name(&self, address: IpAddr) -> String {
        self.compiler.owner(address).to_string()
    }

    /// What becomes of the next packet of a connection at one of its ends.
    pub(super) fn judge(
        &mut self,
        site: &Site,
        connection: &Connection,
        direction: Direction,
    ) -> Result<Reason, JudgeError> {
        let Connection {
            protocol,
            client,
            server,
        } = *connection;
        let endpoint = self.endpoints.get(&site.ifindex).copied();
        let packet = frame::continuing(client, server, protocol);
        let (Some(endpoint), Some(bytes)) = (endpoint, packet) else {
            return Ok(Reason::NotIsolated);
        };
        let flow = Flow {
            endpoint: site.id,
            // Not the endpoint's: the flow is judged again.
            revision: endpoint.revisions[direction.index()].wrapping_sub(1),
            initiator: direction as u8,
            ..Flow::default()
        };
        self.remember(connection, direction, &flow);
        let arrival = Arrival {
            hook: direction,
            ingress_ifindex: match direction {
                Direction::Egress => LINK,
                Direction::Ingress => OTHER_LINK,
            },
            leaving: false,
            segmented: false,
            bytes: &bytes,
        };
        self.memory.judge(&endpoint, &arrival)
    }

    fn remember(&self, connection: &Connection, direction: Direction, flow: &Flow) {
        let (own, peer) = connection.ends(direction);
        let ports = pair(own.port(), peer.port());
        match Key::of(own.ip(), peer.ip(), ports, connection.protocol) {
            Some(Key::V4(key)) => self.memory.put_flow(&key, flow),
            Some(Key::V6(key)) => self.memory.put_flow(&key, flow),
            // No packet has two families.
            None => {}
        }
    }

    /// Why the packet got this verdict, in the words of the policies.
    pub(super) fn state(
        &self,
        site: &Site,
        connection: &Connection,
        direction: Direction,
        reason: Reason,
    ) -> State {
        let (own, peer) = connection.ends(direction);
        let pod = &self.site(own.ip()).unwrap_or(site).pod;
        let policies = self.compiler.isolating(pod, direction);
        let words = matches!(
            reason,
            Reason::Allowed | Reason::PolicyDenied | Reason::Revoked
        )
        .then(|| {
            let peer = self.peer(peer);
            explain_by(
                self.compiler.cluster(),
                policies.clone(),
                pod,
                direction,
                &peer,
                connection.protocol,
                connection.server.port(),
            )
        });
        let rule = words.as_ref().and_then(|words| words.allowed_by.as_ref());
        let nearest = words.as_ref().and_then(|words| words.nearest.as_ref());
        State {
            reason: reason.name().to_owned(),
            isolated_by: policies.iter().map(ToString::to_string).collect(),
            allowed_by: rule.and_then(RuleName::of),
            nearest: nearest.and_then(Nearest::of),
        }
    }

    fn peer(&self, peer: SocketAddr) -> PeerSide {
        PeerSide {
            identity: self.compiler.owner(peer.ip()),
            address: Some(peer.ip()),
        }
    }
}

fn sites(matching: &Matching, compiler: &Compiler) -> HashMap<IpAddr, Site> {
    let mut sites = HashMap::new();
    for (pod, links) in matching.links.iter().chain(&matching.secondary) {
        let Some(endpoint) = compiler.tables().endpoints.get(pod) else {
            continue;
        };
        for link in links {
            let site = Site {
                pod: pod.clone(),
                ifindex: link.host_ifindex,
                id: endpoint.id,
            };
            sites.extend(link.addresses.iter().map(|at| (*at, site.clone())));
        }
    }
    sites
}

/// What the writer gives the links.
fn endpoints(
    matching: &Matching,
    compiler: &Compiler,
    pending_deny: bool,
) -> HashMap<u32, Endpoint> {
    let mut endpoints = HashMap::new();
    for link in &matching.unknown {
        let ifindex = link.host_ifindex;
        endpoints.insert(ifindex, without_pod(ifindex, pending_deny));
    }
    for (link, _) in &matching.ambiguous {
        endpoints.insert(link.host_ifindex, without_pod(link.host_ifindex, true));
    }
    let of_pod = |pod, link: &PodLink| {
        let endpoint = compiler.tables().endpoints.get(pod).copied();
        endpoint.ok_or_else(|| without_pod(link.host_ifindex, pending_deny))
    };
    for (pod, links) in &matching.links {
        for link in links {
            let endpoint = of_pod(pod, link).unwrap_or_else(|pending| pending);
            endpoints.insert(link.host_ifindex, endpoint);
        }
    }
    for (pod, links) in &matching.secondary {
        for link in links {
            let endpoint = of_pod(pod, link).map(|endpoint| link.second(endpoint));
            let endpoint = endpoint.unwrap_or_else(|pending| pending);
            endpoints.insert(link.host_ifindex, endpoint);
        }
    }
    endpoints
}
