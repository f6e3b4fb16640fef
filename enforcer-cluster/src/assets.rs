//! Where the programs are.

use std::env;
use std::ffi::OsString;
use std::path::PathBuf;

use crate::ClusterError;

/// The path of a program in the folder that `KUBEBUILDER_ASSETS` names.
pub fn program(name: &'static str) -> Result<PathBuf, ClusterError> {
    find(env::var_os("KUBEBUILDER_ASSETS"), name)
}

fn find(folder: Option<OsString>, name: &'static str) -> Result<PathBuf, ClusterError> {
    let folder = PathBuf::from(folder.ok_or(ClusterError::NoAssets)?);
    let path = folder.join(name);
    if path.is_file() {
        return Ok(path);
    }
    Err(ClusterError::NoProgram {
        program: name,
        folder,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_programs_the_error_says_what_to_run() {
        let error = find(None, "etcd").unwrap_err().to_string();
        assert!(error.contains("cargo xtask envtest"), "{error}");
    }

    #[test]
    fn a_program_that_is_missing_is_named_with_its_folder() {
        let error = find(Some("/enforcer-nowhere".into()), "etcd").unwrap_err();
        let error = error.to_string();
        assert!(
            error.contains("`etcd` is not in /enforcer-nowhere"),
            "{error}"
        );
    }
}
