//! A suggestion as JSON.

use std::collections::BTreeMap;
use std::io::{self, Write};

use k8s_openapi::api::networking::v1::NetworkPolicy;
use serde::Serialize;

use crate::suggest::{Suggestion, to_object};

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
    missed: u64,
    suppressed: u64,
    missing: u64,
    restarts: u64,
    /// What is not exact.
    not_exact: Vec<String>,
    without_policy: Vec<String>,
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

pub(super) fn write(suggestion: &Suggestion, out: &mut impl Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, &Report::of(suggestion))?;
    writeln!(out)
}

impl Report {
    fn of(suggestion: &Suggestion) -> Self {
        let basis = &suggestion.basis;
        let passed_over = basis.passed_over.iter();
        let denied = suggestion.denied.iter().map(|(connection, seen)| Denied {
            connection: connection.to_string(),
            verdict: seen.verdict().name(),
            packets: seen.packets_denied(),
            last: seen.last_denied.map(|last| last.to_string()),
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
            missed: basis.missed,
            suppressed: basis.suppressed,
            missing: basis.missing,
            restarts: basis.restarts,
            not_exact: suggestion.caveats.iter().map(ToString::to_string).collect(),
            without_policy: suggestion.silent.iter().map(ToString::to_string).collect(),
            denied: denied.collect(),
        }
    }
}
