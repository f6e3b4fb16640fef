//! `docs/metrics.md` has the table of what the page has.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

use super::*;

/// Set to anything, the table in the document is written anew.
const WRITE: &str = "METRICS_WRITE";

const BEGIN: &str = "<!-- table metrics -->\n";
const END: &str = "<!-- end -->";

fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/metrics.md")
}

/// The series of a metric, and the labels that they have.
fn series(name: &str, samples: &[Sample]) -> (BTreeSet<String>, String) {
    let own = samples.iter().filter(|sample| {
        let suffix = sample.name.strip_prefix(name);
        matches!(suffix, Some("" | "_bucket" | "_sum" | "_count"))
    });
    let mut labels = BTreeSet::new();
    let (mut fixed, mut of_policies) = (0, 0);
    for sample in own {
        labels.extend(sample.labels.keys().cloned());
        if sample.labels.contains_key("policy") {
            of_policies += 1;
        } else {
            fixed += 1;
        }
    }
    let most = match of_policies / (POLICIES + 1) {
        0 => fixed.to_string(),
        each => format!("{each} × policies"),
    };
    (labels, most)
}

fn table() -> String {
    let text = page(Form::Text, &numbers(), &Counters::default());
    let samples = read(Form::Text, &text);
    let mut table =
        "| metric | type | labels | series | what |\n|---|---|---|---|---|\n".to_owned();
    let mut help = "";
    for line in text.lines() {
        if let Some(line) = line.strip_prefix("# HELP ") {
            help = line.split_once(' ').unwrap().1;
        } else if let Some(line) = line.strip_prefix("# TYPE ") {
            let (name, kind) = line.split_once(' ').unwrap();
            let (labels, most) = series(name, &samples);
            let labels: Vec<_> = labels.iter().map(|name| format!("`{name}`")).collect();
            let labels = labels.join(", ");
            writeln!(table, "| `{name}` | {kind} | {labels} | {most} | {help} |").unwrap();
        }
    }
    table
}

#[test]
fn the_document_has_every_metric_with_its_labels_and_how_many_series_it_can_have() {
    let document = fs::read_to_string(path()).unwrap();
    let start = document.find(BEGIN).unwrap() + BEGIN.len();
    let end = start + document[start..].find(END).unwrap();
    let (written, table) = (&document[start..end], table());
    if env::var_os(WRITE).is_some() {
        let whole = [&document[..start], &table, &document[end..]].concat();
        fs::write(path(), whole).unwrap();
        return;
    }
    for (written, told) in written.lines().zip(table.lines()) {
        assert_eq!(written, told, "{WRITE}=1 writes the table");
    }
    assert_eq!(written.len(), table.len(), "{WRITE}=1 writes the table");
}

#[test]
fn the_document_says_how_many_series_there_are_at_most() {
    let document = fs::read_to_string(path()).unwrap();
    let text = page(Form::Text, &numbers(), &Counters::default());
    let samples = read(Form::Text, &text);
    let of_policies = samples.iter();
    let of_policies = of_policies.filter(|sample| sample.labels.contains_key("policy"));
    let of_policies = of_policies.count();
    let each = of_policies / (POLICIES + 1);
    let fixed = samples.len() - of_policies;
    let said = format!("{fixed} series, and {each} for each policy");
    assert!(document.contains(&said), "the document should say: {said}");
}
