//! Certificates, read again whenever they change.
//!
//! They are looked at when a client connects: so nothing has to be told of a change, and what is in force is
//! what is in the files. That they cannot be used is no reason for a daemon to end: policies hold without
//! Hubble.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::{VerifierBuilderError, WebPkiClientVerifier};
use tokio_rustls::rustls::{self, RootCertStore, ServerConfig};

/// What gRPC speaks; its clients in Go insist on being told.
const HTTP2: &[u8] = b"h2";

/// Files in PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Files {
    /// The server's certificate, followed by those between it and its root.
    pub certificate: PathBuf,
    /// The key of it.
    pub key: PathBuf,
    /// Roots of which a client must have a certificate; without it, any client is answered.
    pub clients: Option<PathBuf>,
}

/// How clients are to trust this server, and it them.
#[derive(Debug)]
pub struct Tls {
    files: Files,
    state: Mutex<State>,
}

/// What was made of the files, as they were.
#[derive(Debug, Default)]
struct State {
    read: Option<Texts>,
    config: Option<Arc<ServerConfig>>,
    complaint: Option<String>,
}

/// What is in the files.
#[derive(PartialEq, Eq)]
struct Texts {
    certificate: Vec<u8>,
    key: Vec<u8>,
    clients: Option<Vec<u8>>,
}

/// Why files cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// One cannot be read.
    #[error("{}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// One is not PEM, or has nothing of what it should have.
    #[error("{} has no {what} in PEM: {why}", path.display())]
    Pem {
        /// The file.
        path: PathBuf,
        /// What should be in it.
        what: &'static str,
        /// Why it is not.
        why: String,
    },
    /// The certificate and the key do not belong together, or are of a kind that is not spoken.
    #[error("the certificate and its key cannot be used together: {0}")]
    Pair(#[source] rustls::Error),
    /// The roots of clients cannot be used.
    #[error("the roots of clients cannot be used: {0}")]
    Roots(#[source] VerifierBuilderError),
}

/// Keys are not for logs.
impl std::fmt::Debug for Texts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Texts").finish_non_exhaustive()
    }
}

impl Tls {
    /// By these files, which are looked at for the first time. What cannot be used is logged; it may be
    /// there later.
    pub fn new(files: Files) -> Self {
        let tls = Self {
            files,
            state: Mutex::default(),
        };
        tls.config();
        tls
    }

    /// What is in force: by the files as they are, or, where these cannot be used, as they were.
    pub(crate) fn config(&self) -> Option<Arc<ServerConfig>> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let made = match self.files.read() {
            Ok(texts) if state.read.as_ref() == Some(&texts) => return state.config.clone(),
            Ok(texts) => {
                let made = self.files.config(&texts);
                state.read = Some(texts);
                made
            }
            Err(error) => {
                // They are to be looked at even if they come back as they were.
                state.read = None;
                Err(error)
            }
        };
        match made {
            Ok(config) => {
                if state.config.is_some() {
                    tracing::info!("new certificates of Hubble's services are in force");
                }
                state.complaint = None;
                state.config = Some(Arc::new(config));
            }
            Err(error) => state.complain(&error),
        }
        state.config.clone()
    }
}

impl State {
    /// Tells of an error once.
    fn complain(&mut self, error: &TlsError) {
        let complaint = error.to_string();
        if self.complaint.as_ref() != Some(&complaint) {
            let now = match self.config {
                Some(_) => "the certificates of before stay in force",
                None => "no client is let in",
            };
            tracing::error!(error = complaint, "TLS of Hubble's services: {now}");
        }
        self.complaint = Some(complaint);
    }
}

impl Files {
    fn read(&self) -> Result<Texts, TlsError> {
        let read = |path: &PathBuf| {
            fs::read(path).map_err(|source| TlsError::Read {
                path: path.clone(),
                source,
            })
        };
        Ok(Texts {
            certificate: read(&self.certificate)?,
            key: read(&self.key)?,
            clients: self.clients.as_ref().map(read).transpose()?,
        })
    }

    fn config(&self, texts: &Texts) -> Result<ServerConfig, TlsError> {
        let chain = certificates(&self.certificate, &texts.certificate)?;
        let key = PrivateKeyDer::from_pem_slice(&texts.key)
            .map_err(|error| wrong(&self.key, "private key", error.to_string()))?;
        let provider = Arc::new(ring::default_provider());
        let builder = ServerConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(TlsError::Pair)?;
        let builder = match self.clients.as_ref().zip(texts.clients.as_ref()) {
            None => builder.with_no_client_auth(),
            Some((path, text)) => {
                let mut roots = RootCertStore::empty();
                for root in certificates(path, text)? {
                    roots
                        .add(root)
                        .map_err(|error| wrong(path, "root certificate", error.to_string()))?;
                }
                let verifier =
                    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                builder.with_client_cert_verifier(verifier.build().map_err(TlsError::Roots)?)
            }
        };
        let mut config = builder
            .with_single_cert(chain, key)
            .map_err(TlsError::Pair)?;
        config.alpn_protocols = vec![HTTP2.to_vec()];
        Ok(config)
    }
}

fn certificates(path: &Path, text: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text).collect();
    match all {
        Ok(all) if all.is_empty() => Err(wrong(path, "certificate", "nothing found".to_owned())),
        Ok(all) => Ok(all),
        Err(error) => Err(wrong(path, "certificate", error.to_string())),
    }
}

fn wrong(path: &Path, what: &'static str, why: String) -> TlsError {
    TlsError::Pem {
        path: path.to_owned(),
        what,
        why,
    }
}
