//! Sockets and TLS.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, UnixListener};
use tokio_stream::wrappers::{TcpListenerStream, UnixListenerStream};
use tonic::service::Routes;
use tonic::transport::{Certificate, Identity, Server, ServerTlsConfig};
use tonic_health::ServingStatus;

use crate::node::Node;
use crate::proto::observer::observer_server::ObserverServer;
use crate::proto::peer::peer_server::PeerServer;
use crate::source::Source;
use crate::{observer, peer};

/// How long a TLS handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// After how long without a word a client is asked whether it is still there.
const KEEPALIVE: Duration = Duration::from_secs(30);

/// Requests that one connection may have open; relay has a few.
const REQUESTS: u32 = 100;

/// What is asked about health.
const SERVICES: [&str; 3] = ["", "observer.Observer", "peer.Peer"];

/// What is served, and by whom.
#[derive(Clone, Debug)]
pub struct Options {
    /// Whose answers they are.
    pub node: Node,
    /// How clients are to trust this server, and it them; plain without it.
    pub tls: Option<Tls>,
}

/// Certificates and keys in PEM.
#[derive(Clone)]
pub struct Tls {
    /// The server's certificate, followed by those between it and its root.
    pub certificate: Vec<u8>,
    /// The key of it.
    pub key: Vec<u8>,
    /// Roots of which a client must have a certificate; without it, any client is answered.
    pub clients: Option<Vec<u8>>,
}

/// Where clients come from.
#[derive(Debug)]
pub enum Listener {
    /// The node's own, or other nodes.
    Tcp(TcpListener),
    /// The node's own, by a file of this name.
    Unix(UnixListener),
}

/// What goes wrong with a server.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// Certificates or keys that cannot be used.
    #[error("TLS for Hubble's services: {0}; check the files of certificate, key and roots")]
    Tls(#[source] tonic::transport::Error),
    /// A socket that cannot be had.
    #[error("the socket {path} for Hubble's services: {source}", path = path.display())]
    Unix {
        /// Its path.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It ended.
    #[error("the server of Hubble's services ended: {0}")]
    Ended(#[source] tonic::transport::Error),
}

/// Keys are not for logs.
impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = f.debug_struct("Tls");
        shown.field("clients", &self.clients.is_some());
        shown.finish_non_exhaustive()
    }
}

/// Listens at a path, within a runtime. What an earlier daemon left there is taken away, but nothing else
/// than a socket.
///
/// # Errors
/// When it cannot be had.
pub fn unix(path: &Path) -> Result<Listener, ServerError> {
    use std::os::unix::fs::FileTypeExt as _;
    let failed = |source| ServerError::Unix {
        path: path.to_owned(),
        source,
    };
    let found = std::fs::symlink_metadata(path);
    if found.is_ok_and(|found| found.file_type().is_socket()) {
        std::fs::remove_file(path).map_err(failed)?;
    }
    UnixListener::bind(path).map(Listener::Unix).map_err(failed)
}

/// Answers clients until `stop` is over. Streams that are open then are cut off.
///
/// # Errors
/// Certificates that cannot be used, or a socket that fails.
pub async fn serve<S: Source>(
    options: Options,
    source: Arc<S>,
    listener: Listener,
    stop: impl Future<Output = ()> + Send,
) -> Result<(), ServerError> {
    let mut server = Server::builder()
        .http2_keepalive_interval(Some(KEEPALIVE))
        .max_concurrent_streams(Some(REQUESTS))
        .tcp_nodelay(true);
    // The file of a Unix socket says who may connect.
    if let Some(tls) = options.tls.filter(|_| matches!(listener, Listener::Tcp(_))) {
        server = server.tls_config(config(&tls)).map_err(ServerError::Tls)?;
    }
    let router = server.add_routes(routes(source, options.node).await);
    let serving = async {
        match listener {
            Listener::Tcp(tcp) => {
                router
                    .serve_with_incoming(TcpListenerStream::new(tcp))
                    .await
            }
            Listener::Unix(unix) => {
                let incoming = UnixListenerStream::new(unix);
                router.serve_with_incoming(incoming).await
            }
        }
    };
    tokio::select! {
        ended = serving => ended.map_err(ServerError::Ended),
        () = stop => Ok(()),
    }
}

async fn routes<S: Source>(source: Arc<S>, node: Node) -> Routes {
    let node = Arc::new(node);
    let (reporter, health) = tonic_health::server::health_reporter();
    for service in SERVICES {
        reporter
            .set_service_status(service, ServingStatus::Serving)
            .await;
    }
    let observer = observer::Service::new(source.clone(), node.clone());
    Routes::new(ObserverServer::new(observer))
        .add_service(PeerServer::new(peer::Service::new(source, node)))
        .add_service(health)
}

fn config(tls: &Tls) -> ServerTlsConfig {
    let config = ServerTlsConfig::new()
        .identity(Identity::from_pem(&tls.certificate, &tls.key))
        .timeout(HANDSHAKE);
    match &tls.clients {
        Some(roots) => config.client_ca_root(Certificate::from_pem(roots)),
        None => config,
    }
}
