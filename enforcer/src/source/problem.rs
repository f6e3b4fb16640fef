//! What is wrong with what was read, and where.

use std::fmt;
use std::path::{Path, PathBuf};

use enforcer_policy::invalid::{self, Invalid};
use serde::Serialize;

use super::manifests::{ObjectKey, closest};

/// How bad a [`Problem`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// What stands there is not taken: the last good version of the object stays in force.
    Error,
    /// Taken, but probably not meant.
    Warning,
    /// Worth knowing.
    Info,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Info => "info",
        })
    }
}

/// Where a [`Problem`] is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(untagged)]
pub enum Place {
    /// In a file.
    File {
        /// The file.
        file: PathBuf,
        /// The line, from 1; 0 when the problem is the file itself.
        line: usize,
        /// The column in characters, from 1; 0 when the problem is the file itself.
        column: usize,
    },
    /// In an object of the cluster that is being watched.
    Cluster {},
}

impl Place {
    /// The file, where it is one.
    pub fn file(&self) -> Option<&Path> {
        match self {
            Self::File { file, .. } => Some(file),
            Self::Cluster {} => None,
        }
    }
}

/// `FILE`, `FILE:LINE:COLUMN` or `cluster`.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { file, line: 0, .. } => write!(f, "{}", file.display()),
            Self::File { file, line, column } => write!(f, "{}:{line}:{column}", file.display()),
            Self::Cluster {} => f.write_str("cluster"),
        }
    }
}

/// One thing that is wrong, for people and for machines.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Problem {
    /// Where.
    #[serde(flatten)]
    pub place: Place,
    /// How bad it is.
    pub severity: Severity,
    /// A stable name for the kind of problem.
    pub code: &'static str,
    /// The object, such as `NetworkPolicy default/db-policy`, where it can be told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub object: Option<String>,
    /// The path of the field from the object's root: `spec.ingress[0].from`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
}

impl Problem {
    /// An error about a whole file.
    pub fn of_file(file: impl Into<PathBuf>, code: &'static str, message: String) -> Self {
        Self {
            place: Place::File {
                file: file.into(),
                line: 0,
                column: 0,
            },
            severity: Severity::Error,
            code,
            object: None,
            field: None,
            message,
            help: None,
        }
    }

    /// An error about a whole object of the cluster.
    pub fn of_object(object: &ObjectKey, code: &'static str, message: String) -> Self {
        Self {
            place: Place::Cluster {},
            severity: Severity::Error,
            code,
            object: Some(object.to_string()),
            field: None,
            message,
            help: None,
        }
    }

    /// An error about a field of an object of the cluster.
    pub fn of_field(object: &ObjectKey, invalid: &Invalid) -> Self {
        let message = format!("{} {}", invalid.field, invalid.problem);
        Self {
            field: Some(invalid.field.clone()).filter(|field| !field.is_empty()),
            help: Some(help(&invalid.problem)),
            ..Self::of_object(object, invalid.problem.code(), message)
        }
    }

    /// Whether it keeps something from being taken.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

/// `PLACE: error[code]: message`, then object, field and help on lines of their own.
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (place, severity, code) = (&self.place, self.severity, self.code);
        write!(f, "{place}: {severity}[{code}]: {}", self.message)?;
        let notes = [
            ("object", &self.object),
            ("field", &self.field),
            ("help", &self.help),
        ];
        for (name, text) in notes {
            if let Some(text) = text {
                write!(f, "\n  {name}: {text}")?;
            }
        }
        Ok(())
    }
}

/// What to do about what is wrong with a field.
pub(super) fn help(problem: &invalid::Problem) -> String {
    if let invalid::Problem::NotOneOf { found, known } = problem
        && let Some(meant) = closest(found, known.iter().copied())
    {
        return format!("did you mean {meant}?");
    }
    problem.help().to_owned()
}
