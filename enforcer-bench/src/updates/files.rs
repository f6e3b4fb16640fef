//! Objects in a directory of manifests, in as many files as somebody would keep them in: one for each
//! kind and namespace, and one for each object that is put in alone.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result};
use serde_json::Value;

use super::backend::{Backend, key};

type Key = [String; 3];

/// A directory of manifests.
pub(super) struct Files {
    directory: PathBuf,
    /// Where new files are written before they get their names.
    beside: PathBuf,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    files: BTreeMap<String, BTreeMap<Key, Value>>,
    file_of: BTreeMap<Key, String>,
    fills: usize,
}

impl Files {
    pub(super) fn new(directory: PathBuf, beside: &Path) -> Self {
        Self {
            directory,
            beside: beside.to_owned(),
            known: Mutex::default(),
        }
    }

    /// Writes a file anew, at once and as a whole.
    fn write(&self, name: &str, objects: &BTreeMap<Key, Value>) -> Result<()> {
        let mut text = String::new();
        for object in objects.values() {
            text.push_str("---\n");
            text.push_str(&serde_json::to_string_pretty(object)?);
            text.push('\n');
        }
        let new = self.beside.join(name);
        let path = self.directory.join(name);
        fs::write(&new, text).with_context(|| format!("writing {}", new.display()))?;
        fs::rename(&new, &path).with_context(|| format!("making {}", path.display()))
    }
}

impl Backend for Files {
    fn flags(&self) -> Vec<OsString> {
        vec!["--manifests".into(), self.directory.clone().into()]
    }

    fn fill(&self, objects: Vec<Value>) -> Result<()> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.fills += 1;
        let fill = known.fills;
        let mut new: BTreeMap<String, BTreeMap<Key, Value>> = BTreeMap::new();
        for object in objects {
            let key = key(&object);
            let [kind, namespace, _] = &key;
            let name = format!("{}-{namespace}-{fill}.yaml", kind.to_lowercase());
            known.file_of.insert(key.clone(), name.clone());
            new.entry(name).or_default().insert(key, object);
        }
        for (name, objects) in &new {
            self.write(name, objects)?;
        }
        known.files.extend(new);
        Ok(())
    }

    fn put(&self, object: &Value) -> Result<()> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let key = key(object);
        let alone = || format!("{}.yaml", key.join("-").to_lowercase());
        let name = known.file_of.get(&key).cloned().unwrap_or_else(alone);
        known.file_of.insert(key.clone(), name.clone());
        let objects = known.files.entry(name.clone()).or_default();
        objects.insert(key, object.clone());
        self.write(&name, objects)
    }

    fn delete(&self, object: &Value) -> Result<()> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let key = key(object);
        let name = known.file_of.remove(&key);
        let name = name.with_context(|| format!("deleting {key:?}, which is in no file"))?;
        let objects = known.files.entry(name.clone()).or_default();
        objects.remove(&key);
        if !objects.is_empty() {
            return self.write(&name, objects);
        }
        known.files.remove(&name);
        let path = self.directory.join(name);
        fs::remove_file(&path).with_context(|| format!("removing {}", path.display()))
    }
}
