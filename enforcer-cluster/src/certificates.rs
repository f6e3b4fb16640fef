//! The cluster's certificate authority, the API server's certificate, and the key that signs tokens.

use std::fs;
use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};

use crate::ClusterError;

/// Files in PEM form.
#[derive(Debug)]
pub(crate) struct Certificates {
    /// Who signed the server's certificate.
    pub(crate) authority: PathBuf,
    /// The API server's, also a fault proxy's.
    pub(crate) server: PathBuf,
    /// Its key.
    pub(crate) server_key: PathBuf,
    /// The key that signs the tokens of service accounts.
    pub(crate) token_key: PathBuf,
    /// The other half of it, by which they are checked.
    pub(crate) token_public_key: PathBuf,
}

impl Certificates {
    /// Makes all of them, for a server with these names and addresses.
    pub(crate) fn make(directory: &Path, names: &[String]) -> Result<Self, ClusterError> {
        let authority_key = KeyPair::generate()?;
        let mut params = CertificateParams::default();
        params
            .distinguished_name
            .push(DnType::CommonName, "enforcer-cluster");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![
            KeyUsagePurpose::KeyCertSign,
            KeyUsagePurpose::DigitalSignature,
        ];
        let authority = params.self_signed(&authority_key)?;
        let issuer = Issuer::new(params, authority_key);

        let server_key = KeyPair::generate()?;
        let mut params = CertificateParams::new(names)?;
        params
            .distinguished_name
            .push(DnType::CommonName, "kube-apiserver");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let server = params.signed_by(&server_key, &issuer)?;

        let token_key = KeyPair::generate()?;
        let write = |name: &str, text: String| {
            let path = directory.join(name);
            fs::write(&path, text).map_err(ClusterError::file(&path))?;
            Ok::<_, ClusterError>(path)
        };
        Ok(Self {
            authority: write("ca.crt", authority.pem())?,
            server: write("server.crt", server.pem())?,
            server_key: write("server.key", server_key.serialize_pem())?,
            token_key: write("token.key", token_key.serialize_pem())?,
            token_public_key: write("token.pub", token_key.public_key_pem())?,
        })
    }
}
