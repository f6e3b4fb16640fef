//! Where the observers of the cluster's nodes are.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use enforcer_hubble::Peers;
use enforcer_policy::model::Node;
use tokio::sync::watch;

/// The observers of all nodes, each of which has its own where this node has it.
#[derive(Debug)]
pub struct Observers {
    listen: Option<SocketAddr>,
    node: String,
    known: watch::Sender<Peers>,
}

impl Observers {
    /// Those beside the one of this node, which listens there.
    pub fn new(listen: Option<SocketAddr>, node: String) -> Self {
        let known = watch::Sender::new(peers(listen, &node, &BTreeMap::new()));
        Self {
            listen,
            node,
            known,
        }
    }

    /// Takes over which nodes there are.
    pub fn follow(&self, nodes: &BTreeMap<String, Node>) {
        let now = peers(self.listen, &self.node, nodes);
        self.known.send_if_modified(|known| {
            let changed = *known != now;
            *known = now;
            changed
        });
    }

    /// What is known of them, and what becomes of it.
    pub fn subscribe(&self) -> watch::Receiver<Peers> {
        self.known.subscribe()
    }
}

/// Where observers are: nowhere, here alone, or on every node that can be reached.
fn peers(listen: Option<SocketAddr>, this: &str, nodes: &BTreeMap<String, Node>) -> Peers {
    let Some(listen) = listen else {
        return Peers::new();
    };
    let at = |address: IpAddr| SocketAddr::new(address, listen.port()).to_string();
    let mut peers = Peers::new();
    if !listen.ip().is_loopback() {
        let reachable = nodes.iter().filter_map(|(name, node)| {
            let mut addresses = node.internal.iter().copied();
            let address = addresses.find(|address| suits(listen.ip(), *address))?;
            Some((name.clone(), at(address)))
        });
        peers.extend(reachable);
    }
    if !listen.ip().is_unspecified() {
        peers.insert(this.to_owned(), listen.to_string());
    }
    peers
}

/// Whether who listens there can be reached by such an address.
fn suits(listen: IpAddr, address: IpAddr) -> bool {
    listen.is_ipv4() == address.is_ipv4() || listen == IpAddr::from([0_u16; 8])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(addresses: &[&str]) -> Node {
        Node {
            internal: addresses.iter().map(|text| text.parse().unwrap()).collect(),
            ..Node::default()
        }
    }

    fn told(listen: &str) -> Vec<(String, String)> {
        let nodes = BTreeMap::from([
            ("n1".to_owned(), node(&["192.0.2.1", "fd00::1"])),
            ("n2".to_owned(), node(&["fd00::2", "192.0.2.2"])),
            ("n3".to_owned(), node(&[])),
        ]);
        let listen = listen.parse().unwrap();
        peers(Some(listen), "n1", &nodes).into_iter().collect()
    }

    fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
        let pair = |(name, address): &(&str, &str)| ((*name).to_owned(), (*address).to_owned());
        expected.iter().map(pair).collect()
    }

    #[test]
    fn all_nodes_are_told_of_by_the_first_address_that_suits() {
        let v4 = [("n1", "192.0.2.1:4244"), ("n2", "192.0.2.2:4244")];
        assert_eq!(told("0.0.0.0:4244"), pairs(&v4));
        let both = [("n1", "192.0.2.1:4244"), ("n2", "[fd00::2]:4244")];
        assert_eq!(told("[::]:4244"), pairs(&both));
    }

    #[test]
    fn the_own_node_is_told_of_by_where_it_listens() {
        let expected = [("n1", "192.0.2.77:1"), ("n2", "192.0.2.2:1")];
        assert_eq!(told("192.0.2.77:1"), pairs(&expected));
    }

    #[test]
    fn who_listens_on_loopback_tells_of_no_other_node() {
        assert_eq!(told("127.0.0.1:4245"), pairs(&[("n1", "127.0.0.1:4245")]));
    }

    #[test]
    fn who_listens_nowhere_tells_of_no_node() {
        assert_eq!(peers(None, "n1", &BTreeMap::new()), Peers::new());
    }

    #[test]
    fn only_what_changes_is_news() {
        let observers = Observers::new("0.0.0.0:1".parse().ok(), "n1".to_owned());
        let mut news = observers.subscribe();
        let mut nodes = BTreeMap::from([("n1".to_owned(), node(&["192.0.2.1"]))]);
        observers.follow(&nodes);
        assert!(news.has_changed().unwrap());
        news.mark_unchanged();
        nodes.insert("n3".to_owned(), node(&[]));
        observers.follow(&nodes);
        assert!(!news.has_changed().unwrap());
    }
}
