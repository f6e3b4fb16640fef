//! `peer.Peer`.

use std::collections::BTreeSet;
use std::sync::Arc;

use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

use crate::node::Node;
use crate::proto::peer::peer_server::Peer;
use crate::proto::peer::{ChangeNotification, ChangeNotificationType, NotifyRequest, Tls};
use crate::source::{Peers, Source};

/// Changes that may wait for a client; behind them it is told only what came of several.
const WAITING: usize = 64;

/// Tells of the nodes.
pub struct Service<S> {
    source: Arc<S>,
    node: Arc<Node>,
}

impl<S: Source> Service<S> {
    /// Tells of them from a node.
    pub fn new(source: Arc<S>, node: Arc<Node>) -> Self {
        Self { source, node }
    }
}

#[tonic::async_trait]
impl<S: Source> Peer for Service<S> {
    type NotifyStream = ReceiverStream<Result<ChangeNotification, Status>>;

    async fn notify(
        &self,
        _: Request<NotifyRequest>,
    ) -> Result<Response<Self::NotifyStream>, Status> {
        let (sender, receiver) = mpsc::channel(WAITING);
        tokio::spawn(tell(self.node.clone(), self.source.peers(), sender));
        Ok(Response::new(ReceiverStream::new(receiver)))
    }
}

/// Tells until nobody listens any more. Without news, also when the daemon ends, the stream stays open:
/// relay would else ask again and again.
async fn tell(
    node: Arc<Node>,
    mut peers: watch::Receiver<Peers>,
    to: mpsc::Sender<Result<ChangeNotification, Status>>,
) {
    let mut told = Peers::new();
    loop {
        let now = peers.borrow_and_update().clone();
        for change in changes(&node, &told, &now) {
            if to.send(Ok(change)).await.is_err() {
                return;
            }
        }
        told = now;
        tokio::select! {
            news = peers.changed() => if news.is_err() {
                return to.closed().await;
            },
            () = to.closed() => return,
        }
    }
}

/// What becomes of one list when it is the other, by name.
fn changes(node: &Node, old: &Peers, new: &Peers) -> Vec<ChangeNotification> {
    let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let change = |name: &String| {
        let (address, kind) = match (old.get(name), new.get(name)) {
            (None, Some(address)) => (address, ChangeNotificationType::PeerAdded),
            (Some(address), None) => (address, ChangeNotificationType::PeerDeleted),
            (Some(old), Some(new)) if old != new => (new, ChangeNotificationType::PeerUpdated),
            _ => return None,
        };
        Some(ChangeNotification {
            name: node.peer(name),
            address: address.clone(),
            r#type: kind.into(),
            tls: node.tls.then(|| Tls {
                server_name: node.server_name(name),
            }),
        })
    };
    names.into_iter().filter_map(change).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::node;

    fn peers(all: &[(&str, &str)]) -> Peers {
        let own = |(name, address): &(&str, &str)| ((*name).to_owned(), (*address).to_owned());
        all.iter().map(own).collect()
    }

    #[test]
    fn what_is_new_of_a_node_is_told_and_what_is_not_is_not() {
        let old = peers(&[("a", "1:1"), ("b", "2:1"), ("c", "3:1")]);
        let new = peers(&[("a", "1:1"), ("b", "2:2"), ("d", "4:1")]);
        let told = changes(&node(), &old, &new);
        let told: Vec<_> = told
            .iter()
            .map(|one| (one.name.as_str(), one.address.as_str(), one.r#type()))
            .collect();
        let expected = [
            ("b", "2:2", ChangeNotificationType::PeerUpdated),
            ("c", "3:1", ChangeNotificationType::PeerDeleted),
            ("d", "4:1", ChangeNotificationType::PeerAdded),
        ];
        assert_eq!(told, expected);
    }
}
