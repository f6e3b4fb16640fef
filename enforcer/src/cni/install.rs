//! Putting the plugin in and taking it out again.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use enforcer_cni::NAME;

use super::{CniError, Installation, Place, conflist, files};

/// How often a file is edited anew because somebody else has written it meanwhile.
const ATTEMPTS: usize = 5;

impl Installation {
    /// Copies the program and puts the entry into the list that the container runtime reads: the
    /// first of the directory by name. Gives what it changed; nothing, when all is as it should be.
    ///
    /// # Errors
    /// When there is no list, or one that cannot be edited. What was there stays then.
    pub fn install(&self) -> Result<Vec<PathBuf>, CniError> {
        let list = self.place.first()?;
        let mut changed = Vec::new();
        // First: a list that names a program that is not there fails every pod.
        changed.extend(self.copy_program()?);
        changed.extend(if files::has_extension(&list, &["conflist"]) {
            self.edit(&list)?
        } else {
            self.convert(&list)?
        });
        Ok(changed)
    }

    fn copy_program(&self) -> Result<Option<PathBuf>, CniError> {
        let program = fs::read(&self.plugin).map_err(CniError::file("read", &self.plugin))?;
        let path = self.place.bin_dir.join(NAME);
        if fs::read(&path).is_ok_and(|there| there == program) {
            return Ok(None);
        }
        let directory = &self.place.bin_dir;
        fs::create_dir_all(directory).map_err(CniError::file("create", directory))?;
        files::put(&path, &program, Permissions::from_mode(0o755))?;
        Ok(Some(path))
    }

    fn edit(&self, list: &Path) -> Result<Option<PathBuf>, CniError> {
        for _ in 0..ATTEMPTS {
            let text = files::read(list)?;
            let edited = conflist::with(&text, &self.entry);
            let edited = edited.map_err(|source| refused(list, source))?;
            if edited == text {
                return Ok(None);
            }
            if replace(list, &text, &edited)? {
                return Ok(Some(list.to_owned()));
            }
        }
        Err(CniError::Unsteady(list.to_owned()))
    }

    /// Makes a list of a configuration of one plugin, which is kept aside.
    fn convert(&self, config: &Path) -> Result<Option<PathBuf>, CniError> {
        let (list, aside) = (files::list_for(config), files::aside(config));
        if list.exists() && !aside.exists() {
            let path = config.to_owned();
            return Err(CniError::Taken { path, list });
        }
        let text = conflist::of_single(&files::read(config)?);
        let text = text.and_then(|text| conflist::with(&text, &self.entry));
        let text = text.map_err(|source| refused(config, source))?;
        files::put(&list, text.as_bytes(), permissions(config)?)?;
        // Until here the runtime reads the configuration; it is before the list by name.
        files::rename(config, &aside)?;
        Ok(Some(list))
    }
}

impl Place {
    /// Takes the entry out of all lists and removes the program; gives what it changed.
    ///
    /// # Errors
    /// When a file cannot be read or written.
    pub fn uninstall(&self) -> Result<Vec<PathBuf>, CniError> {
        let mut changed = Vec::new();
        let all = if self.conf_dir.exists() {
            files::sorted(&self.conf_dir)?
        } else {
            Vec::new()
        };
        for aside in &all {
            if let Some(config) = files::kept(aside) {
                changed.extend(restore(aside, &config)?);
            }
        }
        for list in all
            .iter()
            .filter(|path| files::has_extension(path, &["conflist"]))
        {
            changed.extend(clear(list)?);
        }
        // Last: see `install`.
        let program = self.bin_dir.join(NAME);
        if files::remove(&program)? {
            changed.push(program);
        }
        Ok(changed)
    }

    /// What the container runtime reads.
    fn first(&self) -> Result<PathBuf, CniError> {
        let all = files::sorted(&self.conf_dir)?;
        let mut all = all.into_iter();
        all.find(|path| files::has_extension(path, &["conf", "conflist", "json"]))
            .ok_or_else(|| CniError::NoList(self.conf_dir.clone()))
    }
}

/// Takes the entry out of a list.
fn clear(list: &Path) -> Result<Option<PathBuf>, CniError> {
    for _ in 0..ATTEMPTS {
        if !list.exists() {
            return Ok(None);
        }
        let text = files::read(list)?;
        let Some(cleared) = conflist::without(&text) else {
            return Ok(None);
        };
        if replace(list, &text, &cleared)? {
            return Ok(Some(list.to_owned()));
        }
    }
    Err(CniError::Unsteady(list.to_owned()))
}

/// Puts a configuration back into the place of the list that was made of it.
fn restore(aside: &Path, config: &Path) -> Result<Option<PathBuf>, CniError> {
    let list = files::list_for(config);
    let others = fs::read_to_string(&list).ok();
    let others = others.and_then(|text| conflist::without(&text));
    if others.is_some_and(|text| conflist::count(&text) > 1) {
        // Somebody else has come to rely on the list.
        files::remove(aside)?;
        return Ok(None);
    }
    if config.exists() {
        // The CNI has written it anew.
        files::remove(aside)?;
    } else {
        files::rename(aside, config)?;
    }
    files::remove(&list)?;
    Ok(Some(config.to_owned()))
}

/// Exchanges a text for another, unless somebody else has done so.
fn replace(path: &Path, old: &str, new: &str) -> Result<bool, CniError> {
    let permissions = permissions(path)?;
    if files::read(path)? != old {
        return Ok(false);
    }
    files::put(path, new.as_bytes(), permissions)?;
    Ok(true)
}

fn permissions(path: &Path) -> Result<Permissions, CniError> {
    let metadata = fs::metadata(path).map_err(CniError::file("look at", path))?;
    Ok(metadata.permissions())
}

fn refused(path: &Path, source: conflist::Refused) -> CniError {
    CniError::Refused {
        path: path.to_owned(),
        source,
    }
}
