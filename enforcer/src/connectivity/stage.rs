//! The pods of a test, and where they are.

mod nodes;
mod pods;
mod spaces;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::{IpAddr, SocketAddr};

use kube::Client as Api;

use super::attempt::Target;
use super::cases::{Case, Client, Home, Port, Server};
use super::policies::Meaning;
use super::{Options, Progress, TestError};

pub(super) use nodes::choose;
pub(super) use spaces::Spaces;

/// Names of families, and which addresses are theirs.
const FAMILIES: [(&str, OfFamily); 2] = [("IPv4", IpAddr::is_ipv4), ("IPv6", IpAddr::is_ipv6)];
type OfFamily = fn(&IpAddr) -> bool;

/// One of the clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct ClientPod {
    /// Of which kind.
    pub(super) client: Client,
    /// On which of the test's nodes.
    pub(super) node: usize,
}

impl fmt::Display for ClientPod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = if self.node == 0 { "a" } else { "b" };
        write!(f, "{}-{place}", self.client.role())
    }
}

/// One connection that a case is about.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cell {
    /// Who.
    pub(super) from: ClientPod,
    /// Whom.
    pub(super) server: Server,
    /// By which port.
    pub(super) port: Port,
    /// How and at which address.
    pub(super) target: Target,
    /// Whether it is expected to pass.
    pub(super) allowed: bool,
    /// Which of the case's expectations it belongs to.
    pub(super) expectation: usize,
}

/// Where everything is.
#[derive(Debug)]
pub(super) struct Stage {
    /// The test's namespaces.
    pub(super) spaces: Spaces,
    /// One node or two.
    pub(super) nodes: Vec<String>,
    /// All clients.
    pub(super) clients: Vec<ClientPod>,
    /// Addresses of clients.
    addresses: BTreeMap<ClientPod, Vec<IpAddr>>,
    /// Addresses of servers and their services.
    servers: BTreeMap<Server, Doors>,
}

/// The addresses of a server.
#[derive(Clone, Debug, Default)]
struct Doors {
    pod: Vec<IpAddr>,
    service: Vec<IpAddr>,
}

impl Stage {
    /// Makes all pods in namespaces that are there, and waits until they run.
    pub(super) async fn build(
        api: &Api,
        spaces: Spaces,
        nodes: Vec<String>,
        options: &Options,
        progress: &mut dyn Progress,
    ) -> Result<Self, TestError> {
        let places = 0..nodes.len();
        let clients = places.flat_map(|node| Client::ALL.map(|client| ClientPod { client, node }));
        let mut stage = Self {
            spaces,
            clients: clients.collect(),
            nodes,
            addresses: BTreeMap::new(),
            servers: BTreeMap::new(),
        };
        progress.says("starting servers");
        stage.start_servers(api, options).await?;
        let busy = |pod: &ClientPod| !stage.targets_of(*pod, &options.cases).is_empty();
        stage.clients = stage.clients.iter().copied().filter(busy).collect();
        progress.says("starting clients");
        stage.start_clients(api, options).await?;
        Ok(stage)
    }

    /// The node that a server is on.
    pub(super) fn node_of(&self, server: Server) -> &str {
        let last = self.nodes.len() - 1;
        match server {
            Server::Blue => &self.nodes[0],
            Server::Green => &self.nodes[last],
        }
    }

    /// The namespace of something.
    pub(super) fn space(&self, home: Home) -> &str {
        self.spaces.of(home)
    }

    /// What a case's policies are made of.
    pub(super) fn meaning(&self) -> Meaning {
        let strangers = self.addresses.iter();
        let strangers = strangers.filter(|(pod, _)| pod.client == Client::Stranger);
        Meaning {
            main: self.space(Home::Main).to_owned(),
            other: self.space(Home::Other).to_owned(),
            strangers: strangers.flat_map(|(_, all)| all).copied().collect(),
        }
    }

    /// Everything that a case expects, connection by connection.
    pub(super) fn cells(&self, case: &Case) -> Vec<Cell> {
        let mut cells = Vec::new();
        for (expectation, one) in case.expectations.iter().enumerate() {
            for from in &self.clients {
                if !one.clients.contains(&from.client) {
                    continue;
                }
                for port in one.ports {
                    let targets = self.targets(one.server, *port);
                    cells.extend(targets.map(|target| Cell {
                        from: *from,
                        server: one.server,
                        port: *port,
                        target,
                        allowed: one.allowed,
                        expectation,
                    }));
                }
            }
        }
        cells
    }

    /// A server's port at each of its addresses.
    fn targets(&self, server: Server, port: Port) -> impl Iterator<Item = Target> {
        let doors = self.servers.get(&server);
        let addresses = doors.into_iter().flat_map(move |doors| match port {
            Port::Service => &doors.service,
            _ => &doors.pod,
        });
        addresses.map(move |address| Target {
            way: port.way(),
            address: SocketAddr::new(*address, port.number()),
        })
    }

    /// The targets of a client in any of these cases.
    fn targets_of(&self, pod: ClientPod, cases: &[&'static Case]) -> Vec<Target> {
        let cells = cases.iter().flat_map(|case| self.cells(case));
        let own = cells.filter(|cell| cell.from == pod);
        let targets: BTreeSet<Target> = own.map(|cell| cell.target).collect();
        targets.into_iter().collect()
    }

    /// What this cluster has not got, and the test leaves out.
    pub(super) fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        if self.nodes.len() == 1 {
            notes.push(format!(
                "connections between nodes: skipped, because {} is the only node that takes pods",
                self.nodes[0]
            ));
        }
        let families = self.families();
        let missing = FAMILIES.iter().filter(|(name, _)| !families.contains(name));
        for (name, _) in missing {
            notes.push(format!(
                "{name}: skipped, because pods have no such addresses"
            ));
        }
        notes
    }

    /// The families of the servers' addresses.
    pub(super) fn families(&self) -> Vec<&'static str> {
        let has = |of_family: OfFamily| {
            let mut addresses = self.servers.values().flat_map(|doors| &doors.pod);
            addresses.any(of_family)
        };
        let own = FAMILIES.iter().filter(|(_, of_family)| has(*of_family));
        own.map(|(name, _)| *name).collect()
    }
}
