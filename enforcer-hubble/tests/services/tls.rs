//! Sockets and TLS.

use enforcer_hubble::proto::observer::ServerStatusRequest;
use enforcer_hubble::proto::observer::observer_client::ObserverClient;
use enforcer_hubble::proto::peer::NotifyRequest;
use enforcer_hubble::proto::peer::peer_client::PeerClient;
use enforcer_hubble::serve;
use enforcer_hubble::server::unix;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Error, Identity};

use crate::authority::{Authority, SERVER};
use crate::store::Store;
use crate::{run, soon, start};

fn trusting(authority: &Authority) -> ClientTlsConfig {
    ClientTlsConfig::new()
        .ca_certificate(Certificate::from_pem(&authority.root))
        .domain_name(SERVER)
}

async fn connect(address: &str, tls: ClientTlsConfig) -> Result<Channel, Error> {
    let endpoint = Endpoint::from_shared(format!("https://{address}"))?;
    soon(endpoint.tls_config(tls)?.connect()).await
}

/// Whether a client gets an answer: a refused certificate shows only after the handshake.
async fn is_answered(address: &str, tls: ClientTlsConfig) -> bool {
    let Ok(channel) = connect(address, tls).await else {
        return false;
    };
    let mut client = ObserverClient::new(channel);
    soon(client.server_status(ServerStatusRequest {}))
        .await
        .is_ok()
}

#[tokio::test]
async fn a_server_is_trusted_by_the_name_that_peers_are_told() {
    let authority = Authority::new();
    let server = run(&Store::new(), Some(authority.server(None))).await;
    assert!(is_answered(&server.address, trusting(&authority)).await);
    // By this name relay asks for peers, whichever node answers.
    let peers = trusting(&authority).domain_name("hubble-peer.default.hubble-grpc.cilium.io");
    assert!(is_answered(&server.address, peers).await);
    let wrong = trusting(&authority).domain_name("n2.east.hubble-grpc.cilium.io");
    assert!(!is_answered(&server.address, wrong).await);
    assert!(!is_answered(&server.address, trusting(&Authority::new())).await);
    let channel = connect(&server.address, trusting(&authority))
        .await
        .unwrap();
    let changes = PeerClient::new(channel)
        .notify(NotifyRequest {})
        .await
        .unwrap();
    let this = soon(changes.into_inner().message()).await.unwrap().unwrap();
    assert_eq!(this.tls.unwrap().server_name, SERVER);
}

#[tokio::test]
async fn with_roots_for_clients_only_their_clients_are_answered() {
    let (authority, clients) = (Authority::new(), Authority::new());
    let server = run(&Store::new(), Some(authority.server(Some(&clients)))).await;
    let with = |signer: &Authority| {
        let (certificate, key) = signer.sign("relay");
        trusting(&authority).identity(Identity::from_pem(certificate, key))
    };
    assert!(is_answered(&server.address, with(&clients)).await);
    assert!(!is_answered(&server.address, trusting(&authority)).await);
    assert!(!is_answered(&server.address, with(&authority)).await);
}

#[tokio::test]
async fn a_server_with_tls_does_not_answer_in_plain() {
    let authority = Authority::new();
    let server = run(&Store::new(), Some(authority.server(None))).await;
    let endpoint = Endpoint::from_shared(format!("http://{}", server.address)).unwrap();
    let answered = async {
        let mut client = ObserverClient::new(endpoint.connect().await.ok()?);
        client.server_status(ServerStatusRequest {}).await.ok()
    };
    assert!(soon(answered).await.is_none());
}

#[tokio::test]
async fn certificates_that_cannot_be_used_are_an_error_that_says_so() {
    let mut tls = Authority::new().server(None);
    tls.key = b"nothing".to_vec();
    let options = enforcer_hubble::Options {
        node: crate::node(true),
        tls: Some(tls),
    };
    let tcp = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let listener = enforcer_hubble::Listener::Tcp(tcp);
    let source = std::sync::Arc::new(Store::new());
    let ended = soon(serve(options, source, listener, std::future::pending())).await;
    let error = ended.unwrap_err().to_string();
    assert!(error.contains("check the files"), "{error}");
}

#[tokio::test]
async fn a_unix_socket_is_answered_in_plain_also_where_nodes_speak_tls() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hubble.sock");
    // What an earlier daemon left there.
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    let listener = unix(&path).unwrap();
    let tls = Authority::new().server(None);
    let task = start(&Store::new(), Some(tls), listener);
    let url = format!("unix://{}", path.display());
    let channel = Endpoint::from_shared(url).unwrap().connect().await.unwrap();
    let mut client = ObserverClient::new(channel);
    assert!(client.server_status(ServerStatusRequest {}).await.is_ok());
    task.abort();
}

#[tokio::test]
async fn a_file_that_is_no_socket_is_not_taken_away() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hubble.sock");
    std::fs::write(&path, "mine").unwrap();
    let error = unix(&path).unwrap_err().to_string();
    assert!(error.contains("hubble.sock"), "{error}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "mine");
}

#[tokio::test]
async fn a_server_stops_when_it_is_told_to() {
    let tcp = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let options = enforcer_hubble::Options {
        node: crate::node(false),
        tls: None,
    };
    let source = std::sync::Arc::new(Store::new());
    let listener = enforcer_hubble::Listener::Tcp(tcp);
    let ended = soon(serve(options, source, listener, async {})).await;
    assert!(ended.is_ok());
}
