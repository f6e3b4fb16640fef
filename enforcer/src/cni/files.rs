//! Files that others read at any time: each is there whole, or not at all.

use std::ffi::OsString;
use std::fs::{self, File, Permissions};
use std::io::{self, ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use super::CniError;

/// Ends the names of files that no container runtime reads.
const ASIDE: &str = ".enforcer";

/// The file that keeps a configuration of one plugin while a list stands for it.
pub(super) fn aside(config: &Path) -> PathBuf {
    let mut name = OsString::from(config);
    name.push(ASIDE);
    name.into()
}

/// The configuration that a file made by [`aside`] keeps.
pub(super) fn kept(aside: &Path) -> Option<PathBuf> {
    let name = aside.to_str()?.strip_suffix(ASIDE)?;
    Some(PathBuf::from(name))
}

/// The list that stands for a configuration of one plugin.
pub(super) fn list_for(config: &Path) -> PathBuf {
    config.with_extension("conflist")
}

pub(super) fn has_extension(path: &Path, wanted: &[&str]) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str());
    extension.is_some_and(|extension| wanted.contains(&extension))
}

/// The files of a directory, sorted as container runtimes do.
pub(super) fn sorted(directory: &Path) -> Result<Vec<PathBuf>, CniError> {
    let failed = || CniError::file("read", directory);
    let entries = fs::read_dir(directory).map_err(failed())?;
    let paths = entries.map(|entry| Ok(entry?.path()));
    let mut paths: Vec<PathBuf> = paths.collect::<io::Result<_>>().map_err(failed())?;
    paths.sort();
    Ok(paths)
}

pub(super) fn read(path: &Path) -> Result<String, CniError> {
    fs::read_to_string(path).map_err(CniError::file("read", path))
}

/// Puts a file in the place of another, or of none, at once.
pub(super) fn put(path: &Path, content: &[u8], permissions: Permissions) -> Result<(), CniError> {
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(".new");
    name.push(ASIDE);
    let new = path.with_file_name(name);
    let write = || -> io::Result<()> {
        let mut file = File::create(&new)?;
        file.write_all(content)?;
        file.set_permissions(permissions)?;
        file.sync_all()?;
        fs::rename(&new, path)
    };
    write().map_err(|error| {
        // It is in nobody's way.
        let _ = fs::remove_file(&new);
        CniError::file("write", path)(error)
    })
}

pub(super) fn rename(from: &Path, to: &Path) -> Result<(), CniError> {
    fs::rename(from, to).map_err(CniError::file("rename", from))
}

/// Says whether there was one.
pub(super) fn remove(path: &Path) -> Result<bool, CniError> {
    match fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(CniError::file("remove", path)(error)),
    }
}
