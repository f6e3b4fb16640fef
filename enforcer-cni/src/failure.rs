//! Why a command failed, in the words and numbers of the CNI specification.

use std::io;

use serde::Serialize;

use crate::versions::SUPPORTED;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("CNI version {0} is not supported; this plugin speaks {list}", list = SUPPORTED.join(", "))]
    Version(String),
    #[error("{variable} {problem}")]
    Environment {
        variable: &'static str,
        problem: String,
    },
    #[error("cannot read the configuration: {0}")]
    Input(#[source] io::Error),
    #[error("cannot understand the configuration: {0}")]
    Undecodable(#[source] serde_json::Error),
    #[error("{field} of the configuration {problem}")]
    Config {
        field: &'static str,
        problem: String,
    },
    /// The operator wants pods to wait, and nobody can say that this one's policies are in force.
    #[error("policies are not in force for this pod")]
    NotInForce(String),
    /// `STATUS`: an `ADD` would fail.
    #[error("no daemon answers")]
    Unavailable(String),
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Output<'a> {
    cni_version: &'a str,
    code: u32,
    msg: String,
    #[serde(skip_serializing_if = "str::is_empty")]
    details: &'a str,
}

impl Failure {
    /// The number that the specification has for it.
    pub(crate) const fn code(&self) -> u32 {
        match self {
            Self::Version(_) => 1,
            Self::Environment { .. } => 4,
            Self::Input(_) => 5,
            Self::Undecodable(_) => 6,
            Self::Config { .. } => 7,
            Self::NotInForce(_) => 11,
            Self::Unavailable(_) => 50,
        }
    }

    /// What goes to stdout.
    pub(crate) fn output(&self, version: &str) -> String {
        let details = match self {
            Self::NotInForce(why) | Self::Unavailable(why) => why,
            _ => "",
        };
        let output = Output {
            cni_version: version,
            code: self.code(),
            msg: self.to_string(),
            details,
        };
        // Strings and a number: nothing that could fail.
        serde_json::to_string(&output).unwrap_or_default()
    }
}
