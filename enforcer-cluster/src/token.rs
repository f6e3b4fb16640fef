//! Tokens of service accounts that the API server would not give: for less than ten minutes.

use std::io;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use serde_json::json;
use tokio_rustls::rustls::pki_types::PrivatePkcs8KeyDer;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;

use crate::control_plane::ISSUER;
use crate::{ClusterError, ControlPlane};

/// How long the API server takes a token that is over already: clocks differ.
const LEEWAY: Duration = Duration::from_secs(60);

impl ControlPlane {
    /// A token for a service account that the API server refuses after `lifetime`, which may be
    /// zero. It may take up to ten seconds more if the token was used in time, because the API
    /// server remembers the tokens it has looked at for so long.
    pub fn short_token(
        &self,
        namespace: &str,
        name: &str,
        lifetime: Duration,
    ) -> Result<String, ClusterError> {
        let words = ["get", "serviceaccount", name, "-n", namespace];
        let id = ["-o", "jsonpath={.metadata.uid}"];
        let uid = self.kubectl(&[&words[..], &id[..]].concat())?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let end = now.unwrap_or_default() + lifetime;
        let end = end.saturating_sub(LEEWAY).as_secs();
        let claims = json!({
            "iss": ISSUER,
            "aud": [ISSUER],
            "sub": format!("system:serviceaccount:{namespace}:{name}"),
            "iat": end - 3600,
            "nbf": end - 3600,
            "exp": end,
            "kubernetes.io": {
                "namespace": namespace,
                "serviceaccount": {"name": name, "uid": uid},
            },
        });
        let header = json!({"alg": "ES256"});
        let text = format!(
            "{}.{}",
            encode(header.to_string()),
            encode(claims.to_string())
        );
        let signature = self.sign(text.as_bytes())?;
        Ok(format!("{text}.{}", encode(signature)))
    }

    /// A signature by the key that signs the API server's own tokens.
    fn sign(&self, text: &[u8]) -> Result<Vec<u8>, ClusterError> {
        let path = &self.certificates().token_key;
        let failed = |what: String| ClusterError::file(path)(io::Error::other(what));
        let key = PrivatePkcs8KeyDer::from_pem_file(path).map_err(|e| failed(e.to_string()))?;
        let random = SystemRandom::new();
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let pair = EcdsaKeyPair::from_pkcs8(algorithm, key.secret_pkcs8_der(), &random)
            .map_err(|rejected| failed(rejected.to_string()))?;
        let signature = pair
            .sign(&random, text)
            .map_err(|error| failed(error.to_string()))?;
        Ok(signature.as_ref().to_vec())
    }
}

fn encode(bytes: impl AsRef<[u8]>) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}
