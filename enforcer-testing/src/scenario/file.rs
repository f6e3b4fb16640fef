//! The file as it is written.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::check::Verdict;
use super::service_check::Word;

/// A whole file.
#[derive(Deserialize)]
#[serde(from = "Written")]
pub(super) struct File {
    pub(super) description: String,
    /// The file's own manifests and expectations, then its steps.
    pub(super) stages: Vec<Part>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    description: String,
    manifests: Vec<Value>,
    #[serde(default)]
    expect: Vec<Expectation>,
    #[serde(default)]
    matrix: Vec<Matrix>,
    #[serde(default)]
    steps: Vec<Part>,
}

/// One step.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Part {
    pub(super) description: String,
    #[serde(default)]
    pub(super) delete: Vec<String>,
    #[serde(default)]
    pub(super) apply: Vec<Value>,
    #[serde(default)]
    pub(super) expect: Vec<Expectation>,
    #[serde(default)]
    pub(super) matrix: Vec<Matrix>,
}

/// Connections that all have the same verdict.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Expectation {
    pub(super) from: OneOrMore<String>,
    /// Also `svc/NAMESPACE/NAME`.
    pub(super) to: OneOrMore<String>,
    pub(super) protocol: Option<String>,
    pub(super) port: Option<OneOrMore<u16>>,
    pub(super) verdict: Option<Word>,
    /// Of a service: each backend's own.
    pub(super) backends: Option<BTreeMap<String, Verdict>>,
    pub(super) why: Option<String>,
}

/// A table of verdicts.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Matrix {
    /// `SIDE PROTOCOL PORT`, or `SIDE PROTOCOL` for protocols without ports.
    pub(super) to: Vec<String>,
    /// Who connects → a verdict for each column, separated by blanks.
    pub(super) rows: BTreeMap<String, String>,
}

/// A list may be left out where it has one element.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum OneOrMore<T> {
    One(T),
    More(Vec<T>),
}

impl<T> OneOrMore<T> {
    pub(super) fn as_slice(&self) -> &[T] {
        match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::More(more) => more,
        }
    }
}

impl From<Written> for File {
    fn from(written: Written) -> Self {
        let first = Part {
            description: String::new(),
            delete: Vec::new(),
            apply: written.manifests,
            expect: written.expect,
            matrix: written.matrix,
        };
        Self {
            description: written.description,
            stages: std::iter::once(first).chain(written.steps).collect(),
        }
    }
}
