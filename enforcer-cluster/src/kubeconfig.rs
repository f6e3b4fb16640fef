//! Files that tell clients where the API server is and who they are.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::ClusterError;

/// How a client says who it is.
#[derive(Clone, Copy)]
pub(crate) enum Proof<'a> {
    /// A token in the kubeconfig itself.
    Token(&'a str),
    /// A token in a file that may change.
    File(&'a Path),
}

/// Writes a kubeconfig (JSON, which is YAML).
pub(crate) fn write(
    path: PathBuf,
    server: &str,
    authority: &Path,
    proof: Proof,
) -> Result<PathBuf, ClusterError> {
    let user: Value = match proof {
        Proof::Token(token) => json!({"token": token}),
        Proof::File(file) => json!({"tokenFile": file}),
    };
    let config = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{
            "name": "test",
            "cluster": {"server": server, "certificate-authority": authority},
        }],
        "users": [{"name": "user", "user": user}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "user"}}],
        "current-context": "test",
    });
    fs::write(&path, config.to_string()).map_err(ClusterError::file(&path))?;
    Ok(path)
}
