//! What the operator chose.

use std::path::PathBuf;

use enforcer_flows::{Filter, Term, What};

/// What is exported, and where to.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where to.
    pub target: Target,
    /// In which form.
    pub format: Format,
    /// What.
    pub filter: Filter,
    /// Bytes that a file may have; then another one is begun.
    pub max_size: u64,
    /// How many earlier files are kept.
    pub max_files: u32,
}

/// Where lines go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// Standard output.
    Stdout,
    /// A file.
    File(PathBuf),
}

/// What a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A record as `enforcer flows --output json` prints it.
    Json,
    /// `LogsData` of `OpenTelemetry` with one record, as JSON.
    Otlp,
}

/// What these terms mean: denials, also those of audit mode, unless they say themselves which verdicts or kinds.
pub fn filter(terms: impl IntoIterator<Item = Term>) -> Filter {
    let mut terms: Vec<Term> = terms.into_iter().collect();
    let chosen = |term: &Term| matches!(term.what(), What::Verdict | What::Kind);
    if !terms.iter().any(chosen) {
        let denials = ["denied", "audit"].into_iter();
        let denials = denials.filter_map(|verdict| Term::parse(What::Verdict, verdict).ok());
        terms.extend(denials);
    }
    terms.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(terms: &[&str]) -> Vec<String> {
        let filter = filter(terms.iter().map(|text| text.parse().unwrap()));
        filter.terms().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn denials_are_meant_unless_somebody_says_otherwise() {
        assert_eq!(texts(&[]), ["verdict=denied", "verdict=audit"]);
        let some = texts(&["pod=prod/db"]);
        assert_eq!(some, ["pod=prod/db", "verdict=denied", "verdict=audit"]);
        assert_eq!(texts(&["verdict=audit"]), ["verdict=audit"]);
        assert_eq!(texts(&["kind=opened"]), ["kind=opened"]);
    }
}
