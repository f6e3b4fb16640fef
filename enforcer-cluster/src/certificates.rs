//! The cluster's certificate authority, the API server's certificate, and the key that signs tokens.

use std::fs;
use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose,
};

use crate::ClusterError;

/// A certificate authority, and files in PEM form.
#[derive(Debug)]
pub(crate) struct Certificates {
    issuer: Issuer<'static, KeyPair>,
    /// Who signed the server's certificate.
    pub(crate) authority: PathBuf,
    /// The API server's.
    pub(crate) server: PathBuf,
    /// Its key.
    pub(crate) server_key: PathBuf,
    /// The key that signs the tokens of service accounts.
    pub(crate) token_key: PathBuf,
    /// The other half of it, by which they are checked.
    pub(crate) token_public_key: PathBuf,
}

impl Certificates {
    /// Makes all of them.
    pub(crate) fn make(directory: &Path) -> Result<Self, ClusterError> {
        let authority_key = KeyPair::generate()?;
        let mut params = CertificateParams::default();
        let name = &mut params.distinguished_name;
        name.push(DnType::CommonName, "enforcer-cluster");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![
            KeyUsagePurpose::KeyCertSign,
            KeyUsagePurpose::DigitalSignature,
        ];
        let authority = params.self_signed(&authority_key)?;
        let issuer = Issuer::new(params, authority_key);
        let (server, server_key) = sign(&issuer, "127.0.0.1")?;
        let token_key = KeyPair::generate()?;
        let write = |name: &str, text: String| {
            let path = directory.join(name);
            fs::write(&path, text).map_err(ClusterError::file(&path))?;
            Ok::<_, ClusterError>(path)
        };
        Ok(Self {
            issuer,
            authority: write("ca.crt", authority.pem())?,
            server: write("server.crt", server.pem())?,
            server_key: write("server.key", server_key.serialize_pem())?,
            token_key: write("token.key", token_key.serialize_pem())?,
            token_public_key: write("token.pub", token_key.public_key_pem())?,
        })
    }

    /// The certificate and key of another server that passes as the API server at this address.
    pub(crate) fn server_at(&self, address: &str) -> Result<(Certificate, KeyPair), ClusterError> {
        sign(&self.issuer, address)
    }
}

/// A server's certificate and key.
fn sign(
    issuer: &Issuer<'static, KeyPair>,
    address: &str,
) -> Result<(Certificate, KeyPair), ClusterError> {
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new([address.to_owned(), "localhost".to_owned()])?;
    let name = &mut params.distinguished_name;
    name.push(DnType::CommonName, "kube-apiserver");
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    Ok((params.signed_by(&key, issuer)?, key))
}
