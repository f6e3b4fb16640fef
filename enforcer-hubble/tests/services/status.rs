//! The other methods of the observer, and health.

use enforcer_hubble::proto::observer::observer_client::ObserverClient;
use enforcer_hubble::proto::observer::{
    GetAgentEventsRequest, GetDebugEventsRequest, GetNamespacesRequest, GetNodesRequest,
    ServerStatusRequest,
};
use enforcer_hubble::proto::relay::NodeState;
use tonic::Code;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::store::Store;
use crate::{run, soon};

#[tokio::test]
async fn status_says_how_much_there_is() {
    let store = Store::with(103);
    let server = run(&store, None).await;
    let mut client = ObserverClient::new(server.connect().await);
    let status = client
        .server_status(ServerStatusRequest {})
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        (status.num_flows, status.max_flows, status.seen_flows),
        (100, 100, 103)
    );
    assert_eq!(status.uptime_ns, 90_000_000_000);
    assert_eq!(status.version, "0.1.0");
    // One node does not speak for the others.
    assert_eq!(status.num_connected_nodes, None);
}

#[tokio::test]
async fn the_rate_is_that_of_the_last_minute() {
    // These are long ago.
    let store = Store::with(9);
    for _ in 0..3 {
        let mut record = store.first();
        record.time = jiff::Timestamp::now();
        store.take(record);
    }
    let server = run(&store, None).await;
    let mut client = ObserverClient::new(server.connect().await);
    let status = client
        .server_status(ServerStatusRequest {})
        .await
        .unwrap()
        .into_inner();
    assert!((status.flows_rate * 60.0 - 3.0).abs() < 1e-9, "{status:?}");
}

#[tokio::test]
async fn nodes_are_this_one_with_its_numbers_and_the_others_with_their_addresses() {
    let store = Store::with(2);
    let at = |name: &str, address: &str| (name.to_owned(), address.to_owned());
    let peers = [at("n1", "192.0.2.1:4244"), at("n2", "192.0.2.2:4244")];
    store.peers.send_replace(peers.into());
    let server = run(&store, None).await;
    let mut client = ObserverClient::new(server.connect().await);
    let nodes = client
        .get_nodes(GetNodesRequest {})
        .await
        .unwrap()
        .into_inner()
        .nodes;
    let told: Vec<_> = nodes
        .iter()
        .map(|node| {
            (
                node.name.as_str(),
                node.address.as_str(),
                node.state(),
                node.num_flows,
            )
        })
        .collect();
    let expected = [
        ("n1", "192.0.2.1:4244", NodeState::UnknownNodeState, 0),
        ("n2", "192.0.2.2:4244", NodeState::NodeConnected, 2),
    ];
    assert_eq!(told, expected);
}

#[tokio::test]
async fn this_node_is_told_of_even_if_it_does_not_know_its_address() {
    let server = run(&Store::new(), None).await;
    let mut client = ObserverClient::new(server.connect().await);
    let answer = client.get_nodes(GetNodesRequest {}).await.unwrap();
    let nodes = answer.into_inner().nodes;
    let told: Vec<_> = nodes
        .iter()
        .map(|node| (&*node.name, &*node.address))
        .collect();
    assert_eq!(told, [("n2", "")]);
}

#[tokio::test]
async fn namespaces_are_those_of_the_cluster_sorted() {
    let server = run(&Store::new(), None).await;
    let mut client = ObserverClient::new(server.connect().await);
    let answer = client
        .get_namespaces(GetNamespacesRequest {})
        .await
        .unwrap();
    let told = answer.into_inner().namespaces;
    let told: Vec<_> = told
        .iter()
        .map(|one| (one.cluster.as_str(), one.namespace.as_str()))
        .collect();
    assert_eq!(told, [("default", "default"), ("default", "prod")]);
}

#[tokio::test]
async fn events_that_are_not_kept_are_not_answered() {
    let server = run(&Store::new(), None).await;
    let mut client = ObserverClient::new(server.connect().await);
    let agent = client.get_agent_events(GetAgentEventsRequest {}).await;
    assert_eq!(agent.err().unwrap().code(), Code::Unimplemented);
    let debug = client.get_debug_events(GetDebugEventsRequest {}).await;
    assert_eq!(debug.err().unwrap().code(), Code::Unimplemented);
}

#[tokio::test]
async fn health_is_told_and_watched_for_every_service() {
    let server = run(&Store::new(), None).await;
    let mut client = HealthClient::new(server.connect().await);
    for service in [
        "",
        "hubble.server.Observer",
        "observer.Observer",
        "peer.Peer",
    ] {
        let request = HealthCheckRequest {
            service: service.to_owned(),
        };
        let checked = client.check(request.clone()).await.unwrap().into_inner();
        assert_eq!(checked.status(), ServingStatus::Serving, "{service}");
        let mut watched = client.watch(request).await.unwrap().into_inner();
        let first = soon(watched.message()).await.unwrap().unwrap();
        assert_eq!(first.status(), ServingStatus::Serving, "{service}");
    }
    let request = HealthCheckRequest {
        service: "nobody".to_owned(),
    };
    let unknown = client.check(request).await.err().unwrap();
    assert_eq!(unknown.code(), Code::NotFound);
}
