//! Claims as files, so that they outlive the daemon: one for each, written as a whole or not at all.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use enforcer_cni::protocol::Attachment;

use super::Claim;

/// Why a claim cannot be remembered.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {path}: {source}")]
pub struct StoreError {
    path: PathBuf,
    source: io::Error,
}

/// A directory of claims.
#[derive(Debug)]
pub(super) struct Store {
    directory: PathBuf,
}

impl Store {
    pub(super) fn new(directory: &Path) -> Self {
        Self {
            directory: directory.to_owned(),
        }
    }

    /// Everything that can be read; the rest is removed.
    pub(super) fn load(&self) -> BTreeMap<Attachment, Claim> {
        let mut all = BTreeMap::new();
        for entry in fs::read_dir(&self.directory)
            .into_iter()
            .flatten()
            .flatten()
        {
            let path = entry.path();
            let text = fs::read(&path).map_err(|error| error.to_string());
            let claim = text.and_then(|text| {
                serde_json::from_slice::<Claim>(&text).map_err(|error| error.to_string())
            });
            match claim {
                Ok(claim) if path == self.path(&claim.hold.attachment) => {
                    all.insert(claim.hold.attachment.clone(), claim);
                }
                unusable => {
                    tracing::warn!(path = %path.display(), error = unusable.err(), "removing what is no claim");
                    // It would be met again at the next start.
                    let _ = fs::remove_file(&path);
                }
            }
        }
        all
    }

    pub(super) fn write(&self, claim: &Claim) -> Result<(), StoreError> {
        let path = self.path(&claim.hold.attachment);
        let new = path.with_extension("new");
        let write = || -> io::Result<()> {
            fs::create_dir_all(&self.directory)?;
            fs::write(&new, serde_json::to_vec(claim)?)?;
            fs::rename(&new, &path)
        };
        write().map_err(|source| StoreError {
            path: path.clone(),
            source,
        })
    }

    pub(super) fn remove(&self, attachment: &Attachment) {
        let path = self.path(attachment);
        if let Err(error) = fs::remove_file(&path)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(path = %path.display(), %error, "a claim stays behind");
        }
    }

    pub(super) fn clear(&self) {
        if let Err(error) = fs::remove_dir_all(&self.directory)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(path = %self.directory.display(), %error, "claims stay behind");
        }
    }

    fn path(&self, attachment: &Attachment) -> PathBuf {
        // The directory is beside the socket, whose name does not matter.
        attachment.file(&self.directory.with_file_name("socket"))
    }
}
