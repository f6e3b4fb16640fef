//! A suggestion as it is written: for people, for programs, and what is to be said besides.

use std::collections::BTreeMap;

use k8s_openapi::api::networking::v1::NetworkPolicy;
use serde::{Deserialize, Serialize};

use super::yaml::PARTIAL;
use super::{Suggestion, to_object, write_yaml};

/// A suggestion in both forms.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Written {
    /// Manifests with comments.
    pub yaml: String,
    /// One object in JSON: `policies`, and what they rest on.
    pub json: String,
    /// The policies allow exactly what was recorded.
    pub exact: bool,
    /// What the reader is to be told.
    pub warnings: Vec<String>,
}

/// The objects, and what they rest on.
#[derive(Serialize)]
struct Report {
    policies: Vec<NetworkPolicy>,
    records: u64,
    /// Of the first and the last record, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    span: Option<[String; 2]>,
    connections: usize,
    not_counted: BTreeMap<&'static str, u64>,
    forgotten: u64,
    missed: u64,
    suppressed: u64,
    missing: u64,
    restarts: u64,
    /// What is not exact.
    not_exact: Vec<String>,
    without_policy: Vec<String>,
    elsewhere: usize,
    denied: Vec<Denied>,
}

#[derive(Serialize)]
struct Denied {
    connection: String,
    verdict: &'static str,
    packets: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    last: Option<String>,
}

impl Written {
    /// Writes a suggestion.
    ///
    /// # Errors
    /// When it cannot be said in JSON.
    pub fn of(suggestion: &Suggestion) -> Result<Self, serde_json::Error> {
        let mut yaml = Vec::new();
        write_yaml(suggestion, &mut yaml).map_err(serde_json::Error::io)?;
        Ok(Self {
            yaml: String::from_utf8_lossy(&yaml).into_owned(),
            json: serde_json::to_string_pretty(&Report::of(suggestion))?,
            exact: suggestion.caveats.is_empty(),
            warnings: warnings(suggestion),
        })
    }
}

fn warnings(suggestion: &Suggestion) -> Vec<String> {
    let caveats = suggestion.caveats.iter();
    let mut warnings: Vec<String> = caveats.map(|one| format!("not exact: {one}")).collect();
    let basis = &suggestion.basis;
    if basis.lost.told && basis.is_partial() {
        let words = PARTIAL.trim_end_matches('.').to_lowercase();
        warnings.push(format!("records were lost, as the comments say: {words}"));
    }
    if basis.connections == 0 {
        let words = "the records have no connection that policies allowed: pods that no policy isolates \
                     make no records";
        warnings.push(words.to_owned());
    }
    warnings
}

impl Report {
    fn of(suggestion: &Suggestion) -> Self {
        let basis = &suggestion.basis;
        let passed_over = basis.passed_over.iter();
        let denied = suggestion.denied.iter().map(|(connection, seen)| Denied {
            connection: connection.to_string(),
            verdict: seen.verdict().name(),
            packets: seen.packets_denied(),
            last: seen.last_refused().map(|last| last.to_string()),
        });
        Self {
            policies: suggestion.policies.iter().map(to_object).collect(),
            records: basis.records,
            span: basis
                .span
                .map(|(first, last)| [first.to_string(), last.to_string()]),
            connections: basis.connections,
            not_counted: passed_over
                .map(|(why, count)| (why.name(), *count))
                .collect(),
            forgotten: basis.lost.forgotten,
            missed: basis.lost.missed,
            suppressed: basis.lost.suppressed,
            missing: basis.missing,
            restarts: basis.restarts,
            not_exact: suggestion.caveats.iter().map(ToString::to_string).collect(),
            without_policy: suggestion.silent.iter().map(ToString::to_string).collect(),
            elsewhere: suggestion.elsewhere,
            denied: denied.collect(),
        }
    }
}
