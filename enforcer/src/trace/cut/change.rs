//! A change that is only proposed: what is asked about.

use std::path::PathBuf;

use enforcer_policy::model::Cluster;
use serde::{Deserialize, Serialize};

use crate::source::manifests::load::{self, Loaded};
use crate::source::manifests::{NameError, ObjectKey};
use crate::source::problem::Problem;

/// A change of manifests.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Change {
    /// Files and their texts: their objects replace those of the same kind and name.
    #[serde(default)]
    pub files: Vec<(PathBuf, String)>,
    /// Objects that go, each by kind and name; see [`ObjectKey::from_words`].
    #[serde(default)]
    pub delete: Vec<(String, String)>,
    /// The files hold everything: what is not among them goes.
    #[serde(default)]
    pub prune: bool,
}

/// Why a change cannot be judged.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// An object has an error, so that nobody can say what it would do.
    #[error("the change has errors:\n{0}")]
    Problems(String),
    /// There is nothing in it.
    #[error(
        "no object that matters to policies is changed; give files with some, or --delete KIND NAME"
    )]
    Nothing,
    /// An object to delete has no valid name.
    #[error("--delete: {0}")]
    Name(#[from] NameError),
    /// An object to delete is not there.
    #[error("--delete: there is no {0}")]
    NotThere(ObjectKey),
}

impl Change {
    /// Reads the manifests at `paths`, each a file or a folder, to be the changed ones. What is in
    /// them is judged by `Change::apply`.
    ///
    /// # Errors
    /// When a file or a folder cannot be read.
    pub fn read(paths: &[PathBuf]) -> Result<Self, ChangeError> {
        let (files, problems) = load::texts(paths);
        if problems.is_empty() {
            return Ok(Self {
                files,
                ..Self::default()
            });
        }
        Err(told(&problems))
    }

    /// The objects of the cluster after the change, which may be none.
    pub(crate) fn apply_or_keep(self, now: &Cluster) -> Result<Cluster, ChangeError> {
        if self == Self::default() {
            return Ok(now.clone());
        }
        self.apply(now)
    }

    /// The objects of the cluster after the change.
    pub(crate) fn apply(self, now: &Cluster) -> Result<Cluster, ChangeError> {
        let loaded = load::parse(self.files);
        check(&loaded)?;
        let good = loaded.good();
        if good.is_empty() && self.delete.is_empty() {
            return Err(ChangeError::Nothing);
        }
        let mut then = if self.prune {
            Cluster::default()
        } else {
            now.clone()
        };
        for (kind, name) in &self.delete {
            let key = ObjectKey::from_words(kind, name)?;
            if !key.remove_from(&mut then) {
                return Err(ChangeError::NotThere(key));
            }
        }
        for (key, document) in good {
            if let Some(object) = &document.object {
                object.insert_into(key, &mut then);
            }
        }
        keep_versions(now, &mut then);
        Ok(then)
    }
}

/// Manifests do not say which version of an object they will become: a policy that stays as it is
/// stays the one that it is.
fn keep_versions(now: &Cluster, then: &mut Cluster) {
    for (key, policy) in &mut then.policies {
        match now.policies.get(key) {
            Some(known) if known.rules == policy.rules => policy.clone_from(known),
            _ => {}
        }
    }
}

fn check(loaded: &Loaded) -> Result<(), ChangeError> {
    let errors = loaded.problems.iter().filter(|problem| problem.is_error());
    let errors: Vec<Problem> = errors.cloned().collect();
    if errors.is_empty() {
        return Ok(());
    }
    Err(told(&errors))
}

fn told(problems: &[Problem]) -> ChangeError {
    let words: Vec<String> = problems.iter().map(ToString::to_string).collect();
    ChangeError::Problems(words.join("\n"))
}
