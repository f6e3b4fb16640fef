//! Sockets and TLS.

use std::io::ErrorKind;
use std::sync::Arc;

use enforcer_hubble::Tls;
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
    let store = Store::new();
    let this = ("n2".to_owned(), "192.0.2.2:4244".to_owned());
    store.peers.send_replace([this].into());
    let server = run(&store, Some(authority.server(None))).await;
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
async fn certificates_are_read_again_when_they_change() {
    let folder = tempfile::tempdir().unwrap();
    let (old, new) = (Authority::new(), Authority::new());
    let files = old.write(None, folder.path());
    let server = run(&Store::new(), Some(Arc::new(Tls::new(files.clone())))).await;
    assert!(is_answered(&server.address, trusting(&old)).await);

    // Half of an exchange, or none at all: what was there before stays in force.
    let key = std::fs::read(&files.key).unwrap();
    new.write(None, folder.path());
    std::fs::write(&files.key, &key).unwrap();
    assert!(is_answered(&server.address, trusting(&old)).await);
    std::fs::remove_file(&files.key).unwrap();
    assert!(is_answered(&server.address, trusting(&old)).await);

    new.write(None, folder.path());
    assert!(is_answered(&server.address, trusting(&new)).await);
    assert!(!is_answered(&server.address, trusting(&old)).await);
}

#[tokio::test]
async fn roots_of_clients_are_read_again_when_they_change() {
    let folder = tempfile::tempdir().unwrap();
    let (authority, old, new) = (Authority::new(), Authority::new(), Authority::new());
    let files = authority.write(Some(&old), folder.path());
    let server = run(&Store::new(), Some(Arc::new(Tls::new(files.clone())))).await;
    let with = |signer: &Authority| {
        let (certificate, key) = signer.sign("relay");
        trusting(&authority).identity(Identity::from_pem(certificate, key))
    };
    assert!(is_answered(&server.address, with(&old)).await);
    std::fs::write(files.clients.unwrap(), &new.root).unwrap();
    assert!(is_answered(&server.address, with(&new)).await);
    assert!(!is_answered(&server.address, with(&old)).await);
}

#[tokio::test]
async fn nobody_is_let_in_before_there_are_certificates() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    let files = authority.write(None, folder.path());
    std::fs::write(&files.key, "nothing").unwrap();
    let server = run(&Store::new(), Some(Arc::new(Tls::new(files)))).await;
    assert!(!is_answered(&server.address, trusting(&authority)).await);
    authority.write(None, folder.path());
    assert!(is_answered(&server.address, trusting(&authority)).await);
}

#[tokio::test]
async fn who_connects_and_says_nothing_holds_up_nobody() {
    let authority = Authority::new();
    let server = run(&Store::new(), Some(authority.server(None))).await;
    let mut silent = Vec::new();
    for _ in 0..8 {
        silent.push(
            tokio::net::TcpStream::connect(&server.address)
                .await
                .unwrap(),
        );
    }
    assert!(is_answered(&server.address, trusting(&authority)).await);
}

#[tokio::test]
async fn a_unix_socket_is_answered_in_plain_also_where_nodes_speak_tls() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hubble.sock");
    // What an earlier daemon left there.
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    let listener = tokio::net::UnixListener::from_std(unix(&path).unwrap()).unwrap();
    let tls = Authority::new().server(None);
    let task = start(
        &Store::new(),
        Some(tls),
        enforcer_hubble::Listener::Unix(listener),
    );
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
    assert_eq!(unix(&path).unwrap_err().kind(), ErrorKind::AddrInUse);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "mine");
}

#[tokio::test]
async fn a_server_stops_when_it_is_told_to() {
    let tcp = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let options = enforcer_hubble::Options {
        node: crate::node(false),
        tls: None,
    };
    let source = Arc::new(Store::new());
    let listener = enforcer_hubble::Listener::Tcp(tcp);
    let ended = soon(serve(options, source, listener, async {})).await;
    assert!(ended.is_ok());
}
