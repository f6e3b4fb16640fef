//! What a test found: one value, from which all forms are written.

mod junit;
mod text;

use std::collections::BTreeMap;

use serde::Serialize;

use super::attempt::Outcome;

pub use junit::write_junit;
pub use text::{Colour, case_line, write_text};

/// What a test found.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Whether nothing is broken. What was skipped breaks nothing.
    pub holds: bool,
    /// Where.
    pub setting: Setting,
    /// What this cluster has not got, so that it was left out everywhere.
    pub skipped: Vec<String>,
    /// The cases, in the order in which they were played.
    pub cases: Vec<CaseReport>,
    /// What was left behind, and other things that the user should know.
    pub notes: Vec<String>,
}

/// Where a test was played.
#[derive(Clone, Debug, Serialize)]
pub struct Setting {
    /// Its namespaces.
    pub namespaces: [String; 2],
    /// Its nodes: pods whose name ends in `-a` are on the first, those in `-b` on the second.
    pub nodes: Vec<String>,
    /// The image of its pods.
    pub image: String,
    /// Families of addresses that its pods have.
    pub families: Vec<&'static str>,
}

/// In one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// It is as expected.
    Holds,
    /// It is not.
    Broken,
    /// It was not looked at.
    Skipped,
}

/// What became of a case.
#[derive(Clone, Debug, Serialize)]
pub struct CaseReport {
    /// Its name.
    pub name: &'static str,
    /// What it shows.
    pub about: &'static str,
    /// All expectations together.
    pub verdict: Verdict,
    /// Why it was skipped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// How long it took.
    pub seconds: f64,
    /// What must follow from it, one by one.
    pub expectations: Vec<ExpectationReport>,
    /// Where something is broken: what daemons say about its policies.
    pub told: Vec<String>,
}

/// What became of an expectation.
#[derive(Clone, Debug, Serialize)]
pub struct ExpectationReport {
    /// In words.
    pub words: String,
    /// Whether it holds.
    pub verdict: Verdict,
    /// How many connections it is about.
    pub connections: usize,
    /// Those that are not as expected.
    pub broken: Vec<BrokenConnection>,
}

/// A connection that is not as expected.
#[derive(Clone, Debug, Serialize)]
pub struct BrokenConnection {
    /// Who, as NAMESPACE/POD.
    pub from: String,
    /// On which node.
    pub from_node: String,
    /// Whom, as NAMESPACE/POD.
    pub to: String,
    /// On which node.
    pub to_node: String,
    /// How and at which address.
    pub target: String,
    /// What was expected.
    pub expected: Outcome,
    /// How often each was seen.
    pub seen: BTreeMap<Outcome, usize>,
    /// Why the probe could not try.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// A command that says what policies mean.
    pub trace: String,
}

impl CaseReport {
    /// Sets [`CaseReport::verdict`] by the expectations.
    pub(super) fn judge(&mut self) {
        let mut all = self.expectations.iter();
        self.verdict = if all.any(|one| one.verdict == Verdict::Broken) {
            Verdict::Broken
        } else {
            Verdict::Holds
        };
    }
}

impl ExpectationReport {
    /// An expectation about so many connections, and those that are not so.
    pub(super) fn new(words: String, connections: usize, broken: Vec<BrokenConnection>) -> Self {
        let verdict = if broken.is_empty() {
            Verdict::Holds
        } else {
            Verdict::Broken
        };
        Self {
            words,
            verdict,
            connections,
            broken,
        }
    }
}

#[cfg(test)]
mod tests;
