//! The services together.

use std::fs::Permissions;
use std::io;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tonic::service::Routes;
use tonic::transport::Server;
use tonic_health::ServingStatus;

use crate::incoming::{Listener, incoming};
use crate::node::Node;
use crate::proto::observer::observer_server::ObserverServer;
use crate::proto::peer::peer_server::PeerServer;
use crate::source::Source;
use crate::tls::Tls;
use crate::{observer, peer};

/// After how long without a word a client is asked whether it is still there.
const KEEPALIVE: Duration = Duration::from_secs(30);

/// Requests that one connection may have open; relay has a few.
const REQUESTS: u32 = 100;

/// What is asked about health.
///
/// The second is what the `hubble` CLI and relay's clients call the observer here.
const SERVICES: [&str; 4] = [
    "",
    "hubble.server.Observer",
    "observer.Observer",
    "peer.Peer",
];

/// What is served, and by whom.
#[derive(Clone, Debug)]
pub struct Options {
    /// Whose answers they are.
    pub node: Node,
    /// How clients are to trust this server, and it them; plain without it.
    pub tls: Option<Arc<Tls>>,
}

/// A server ended.
#[derive(Debug, thiserror::Error)]
#[error("the server of Hubble's services ended: {0}")]
pub struct ServerError(#[source] tonic::transport::Error);

/// Listens at a path, for root alone. What an earlier daemon left there is taken away, but nothing else
/// than a socket.
///
/// # Errors
/// When it cannot be had.
pub fn unix(path: &Path) -> io::Result<UnixListener> {
    let found = std::fs::symlink_metadata(path);
    if found.is_ok_and(|found| found.file_type().is_socket()) {
        std::fs::remove_file(path)?;
    }
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent)?;
    }
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, Permissions::from_mode(0o600))?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Answers clients until `stop` is over. Streams that are open then are cut off.
///
/// # Errors
/// When the server fails.
pub async fn serve<S: Source>(
    options: Options,
    source: Arc<S>,
    listener: Listener,
    stop: impl Future<Output = ()> + Send,
) -> Result<(), ServerError> {
    let router = Server::builder()
        .http2_keepalive_interval(Some(KEEPALIVE))
        .max_concurrent_streams(Some(REQUESTS))
        .add_routes(routes(source, options.node).await);
    tokio::select! {
        ended = router.serve_with_incoming(incoming(listener, options.tls)) => {
            ended.map_err(ServerError)
        }
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
