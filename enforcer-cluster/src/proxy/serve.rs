//! Connections from clients, and to the API server.

use std::io;
use std::net::{IpAddr, Ipv4Addr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use tokio_rustls::{TlsAcceptor, TlsConnector, client};

use super::state::State;
use super::{Link, exchange};
use crate::{ClusterError, ControlPlane, tls};

/// Both sides of a proxy.
pub(super) struct Endpoints {
    acceptor: TlsAcceptor,
    connector: TlsConnector,
    port: u16,
}

impl Endpoints {
    /// For clients that connect to this address.
    pub(super) fn new(plane: &ControlPlane, address: IpAddr) -> Result<Self, ClusterError> {
        let certificates = plane.certificates();
        let provider = Arc::new(ring::default_provider());
        let authority = CertificateDer::from_pem_file(&certificates.authority)
            .map_err(|error| ClusterError::proxy(io::Error::other(error)))?;
        let mut roots = RootCertStore::empty();
        roots.add(authority)?;
        let client = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self {
            acceptor: tls::acceptor(plane, &address.to_string())?,
            connector: TlsConnector::from(Arc::new(client)),
            port: plane.port(),
        })
    }

    /// A new connection to the API server.
    pub(super) async fn connect(&self) -> io::Result<client::TlsStream<TcpStream>> {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).await?;
        let name = ServerName::IpAddress(IpAddr::from(Ipv4Addr::LOCALHOST).into());
        self.connector.connect(name, stream).await
    }
}

/// Takes connections for ever.
pub(super) async fn accept(listener: TcpListener, endpoints: Endpoints, state: Arc<State>) {
    let Ok(listener) = tokio::net::TcpListener::from_std(listener) else {
        return;
    };
    let endpoints = Arc::new(endpoints);
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // No file descriptors are left, or the like.
            tokio::time::sleep(Duration::from_millis(10)).await;
            continue;
        };
        let link = *state.link.borrow();
        if link == Link::Reset {
            let _ = stream.set_zero_linger();
            continue;
        }
        let (endpoints, state) = (Arc::clone(&endpoints), Arc::clone(&state));
        tokio::spawn(async move {
            let mut cuts = state.cuts.subscribe();
            tokio::select! {
                () = talk(stream, endpoints, &state) => {}
                _ = cuts.changed() => {}
            }
        });
    }
}

/// Serves one client until it goes or its connection breaks.
async fn talk(stream: TcpStream, endpoints: Arc<Endpoints>, state: &Arc<State>) {
    state.passable().await;
    let Ok(stream) = endpoints.acceptor.accept(stream).await else {
        return;
    };
    let service = service_fn(|request| exchange::answer(request, &endpoints, state));
    let served = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    let _ = served.await;
}
