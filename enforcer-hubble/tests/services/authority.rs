//! Certificates for tests.

use enforcer_hubble::Tls;
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

    /// What a server needs.
    pub(crate) fn server(&self, clients: Option<&Self>) -> Tls {
        // As Cilium's certificates have it: one wildcard for all nodes.
        let (certificate, key) = self.sign("*.default.hubble-grpc.cilium.io");
        Tls {
            certificate: certificate.into_bytes(),
            key: key.into_bytes(),
            clients: clients.map(|roots| roots.root.clone().into_bytes()),
        }
    }
}
