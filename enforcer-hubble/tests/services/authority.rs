//! Certificates for tests.

use std::path::Path;
use std::sync::Arc;

use enforcer_hubble::Tls;
use enforcer_hubble::tls::Files;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, KeyUsagePurpose};

/// The name by which relay trusts the node.
pub(crate) const SERVER: &str = "n2.default.hubble-grpc.cilium.io";

/// Who signs certificates.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub(crate) root: String,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let root = params.self_signed(&key).unwrap().pem();
        Self {
            issuer: Issuer::new(params, key),
            root,
        }
    }

    /// A certificate for a name, and its key.
    pub(crate) fn sign(&self, name: &str) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new([name.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        (certificate.pem(), key.serialize_pem())
    }

    /// Writes what a server needs into a folder.
    pub(crate) fn write(&self, clients: Option<&Self>, folder: &Path) -> Files {
        // As Cilium's certificates have it: one wildcard for all nodes.
        let (certificate, key) = self.sign("*.default.hubble-grpc.cilium.io");
        let write = |name: &str, text: &str| {
            let path = folder.join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        Files {
            certificate: write("tls.crt", &certificate),
            key: write("tls.key", &key),
            clients: clients.map(|roots| write("ca.crt", &roots.root)),
        }
    }

    /// What a server needs; the files are gone when it has read them.
    pub(crate) fn server(&self, clients: Option<&Self>) -> Arc<Tls> {
        let folder = tempfile::tempdir().unwrap();
        Arc::new(Tls::new(self.write(clients, folder.path())))
    }
}
