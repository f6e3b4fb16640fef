//! The scenario format: manifests and the verdicts that they must lead to. Its reference is
//! `scenarios/README.md`.

mod check;
mod file;
mod service_check;
#[cfg(test)]
mod tests;

use std::io;
use std::path::{Path, PathBuf};

use enforcer_policy::oracle::Objects;
use serde_json::Value;

pub use check::{Check, Verdict};
pub use service_check::{BackendName, Expected, ServiceCheck};

use crate::objects::{self, ManifestError};

/// A scenario: one or more stages of one cluster.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// The file's name without extension.
    pub name: String,
    /// What it shows.
    pub description: String,
    /// The first stage is the file's own `manifests`; each of its `steps` makes another.
    pub stages: Vec<Stage>,
}

/// A cluster and what must hold in it.
#[derive(Clone, Debug)]
pub struct Stage {
    /// What happened since the stage before; empty for the first.
    pub description: String,
    /// The manifests that this stage adds or replaces, as written.
    pub applied: Vec<Value>,
    /// The objects that this stage deletes: `KIND NAMESPACE/NAME`, or `KIND NAME` without namespace.
    pub deleted: Vec<String>,
    /// All objects that are there in this stage.
    pub objects: Objects,
    /// What must hold of connections that nobody translates.
    pub checks: Vec<Check>,
    /// What must hold of connections to services.
    pub services: Vec<ServiceCheck>,
}

/// Why a scenario cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ScenarioError {
    /// A file or directory cannot be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Not YAML, or not of this format.
    #[error("{name}: {source}")]
    Format {
        /// Of which scenario.
        name: String,
        /// Why.
        source: Box<serde_saphyr::Error>,
    },
    /// A manifest is of no use.
    #[error("{name}: {source}")]
    Manifest {
        /// Of which scenario.
        name: String,
        /// Why.
        source: ManifestError,
    },
    /// An expectation says something that cannot be understood.
    #[error("{name}: {problem} in {text:?}")]
    Check {
        /// Of which scenario.
        name: String,
        /// What is wrong.
        problem: &'static str,
        /// With what.
        text: String,
    },
    /// A stage expects nothing, so it could not fail.
    #[error("{name}: stage {stage} expects nothing")]
    NothingExpected {
        /// Of which scenario.
        name: String,
        /// Counted from 0.
        stage: usize,
    },
}

/// Where the scenarios of this repository are.
pub fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios")
}

/// All scenarios of a directory (`*.yaml`), by name.
pub fn load_all(directory: &Path) -> Result<Vec<Scenario>, ScenarioError> {
    let read = |source| ScenarioError::Read {
        path: directory.to_owned(),
        source,
    };
    let mut paths = std::fs::read_dir(directory)
        .map_err(read)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<Vec<_>, _>>()
        .map_err(read)?;
    paths.retain(|path| {
        path.extension()
            .is_some_and(|extension| extension == "yaml")
    });
    paths.sort();
    paths.iter().map(|path| load(path)).collect()
}

/// One scenario from its file.
pub fn load(path: &Path) -> Result<Scenario, ScenarioError> {
    let text = std::fs::read_to_string(path).map_err(|source| ScenarioError::Read {
        path: path.to_owned(),
        source,
    })?;
    let name = path.file_stem().unwrap_or_default().to_string_lossy();
    parse(&name, &text)
}

/// One scenario from its text.
pub fn parse(name: &str, text: &str) -> Result<Scenario, ScenarioError> {
    let file: file::File =
        serde_saphyr::from_str(text).map_err(|source| ScenarioError::Format {
            name: name.to_owned(),
            source: Box::new(source),
        })?;
    let mut objects = Objects::default();
    let mut stages = Vec::new();
    for (number, part) in file.stages.into_iter().enumerate() {
        let stage = stage(name, &mut objects, part)?;
        if stage.checks.is_empty() && stage.services.is_empty() {
            return Err(ScenarioError::NothingExpected {
                name: name.to_owned(),
                stage: number,
            });
        }
        stages.push(stage);
    }
    Ok(Scenario {
        name: name.to_owned(),
        description: file.description,
        stages,
    })
}

fn stage(name: &str, objects: &mut Objects, part: file::Part) -> Result<Stage, ScenarioError> {
    let manifest = |source| ScenarioError::Manifest {
        name: name.to_owned(),
        source,
    };
    for what in &part.delete {
        objects::delete(objects, what).map_err(manifest)?;
    }
    objects::apply(objects, &part.apply).map_err(manifest)?;
    let all = check::all(objects, &part.expect, &part.matrix);
    let (checks, services) = all.map_err(|bad| ScenarioError::Check {
        name: name.to_owned(),
        problem: bad.problem,
        text: bad.text,
    })?;
    Ok(Stage {
        description: part.description,
        applied: part.apply,
        deleted: part.delete,
        objects: objects.clone(),
        checks,
        services,
    })
}
