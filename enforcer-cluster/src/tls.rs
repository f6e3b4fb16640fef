//! Servers that pass as the API server or a kubelet.

use std::sync::Arc;

use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivatePkcs8KeyDer;

use crate::{ClusterError, ControlPlane};

/// Takes connections with a certificate of the cluster's authority for this address.
pub(crate) fn acceptor(plane: &ControlPlane, address: &str) -> Result<TlsAcceptor, ClusterError> {
    let (certificate, key) = plane.certificates().server_at(address)?;
    let key = PrivatePkcs8KeyDer::from(key.serialize_der());
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key.into())?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}
