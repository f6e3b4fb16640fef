//! `peer.Peer`.

use enforcer_hubble::proto::peer::peer_client::PeerClient;
use enforcer_hubble::proto::peer::{ChangeNotification, ChangeNotificationType, NotifyRequest};
use tonic::Streaming;

use crate::store::Store;
use crate::{run, soon};

async fn next(changes: &mut Streaming<ChangeNotification>) -> ChangeNotification {
    soon(changes.message()).await.unwrap().unwrap()
}

#[tokio::test]
async fn this_node_and_the_others_are_told_and_then_what_changes() {
    let store = Store::new();
    let peer = |name: &str, address: &str| (name.to_owned(), address.to_owned());
    let this = peer("n2", "192.0.2.2:4244");
    let peers = [this.clone(), peer("n3", "192.0.2.3:4244")];
    store.peers.send_replace(peers.into());
    let server = run(&store, None).await;
    let mut client = PeerClient::new(server.connect().await);
    let mut changes = client.notify(NotifyRequest {}).await.unwrap().into_inner();
    let told = |change: &ChangeNotification| {
        (change.name.clone(), change.address.clone(), change.r#type())
    };
    let expect = |name: &str, address: &str, kind| (name.to_owned(), address.to_owned(), kind);
    let (first, second) = (next(&mut changes).await, next(&mut changes).await);
    let added = ChangeNotificationType::PeerAdded;
    assert_eq!(told(&first), expect("n2", "192.0.2.2:4244", added));
    assert_eq!(told(&second), expect("n3", "192.0.2.3:4244", added));
    // Without TLS, nothing is said about certificates.
    assert_eq!(first.tls, None);
    let peers = [this.clone(), peer("n3", "192.0.2.4:4244")];
    store.peers.send_replace(peers.into());
    let updated = expect("n3", "192.0.2.4:4244", ChangeNotificationType::PeerUpdated);
    assert_eq!(told(&next(&mut changes).await), updated);
    store.peers.send_replace([this].into());
    let deleted = expect("n3", "192.0.2.4:4244", ChangeNotificationType::PeerDeleted);
    assert_eq!(told(&next(&mut changes).await), deleted);
}
