//! Where the programs are.

use std::env;
use std::path::PathBuf;

use crate::ClusterError;

/// The path of a program in the folder that `KUBEBUILDER_ASSETS` names.
pub fn program(name: &'static str) -> Result<PathBuf, ClusterError> {
    let folder = env::var_os("KUBEBUILDER_ASSETS").ok_or(ClusterError::NoAssets)?;
    let folder = PathBuf::from(folder);
    let path = folder.join(name);
    if path.is_file() {
        return Ok(path);
    }
    Err(ClusterError::NoProgram {
        program: name,
        folder,
    })
}
