//! `docs/edge-cases.md` says what is tested: its tables are those that are played here, every reason
//! is in it, and every test that it names exists.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

use enforcer_common::{Action, Reason};

use crate::case::Case;
use crate::{addresses, discovery, errors, fragments, ipv4, ipv6, link, protocols, sources, tcp};

/// Set to anything, the tables in the document are written anew.
const WRITE: &str = "EDGE_CASES_WRITE";

/// The tables by the name that stands in the document's `<!-- table NAME -->`.
fn tables() -> Vec<(&'static str, Vec<Case>)> {
    vec![
        ("sources", sources::cases()),
        ("discovery", discovery::cases()),
        ("link", link::cases()),
        ("ipv4", ipv4::cases()),
        ("ipv6", ipv6::cases()),
        ("fragments", fragments::cases()),
        ("errors", errors::cases()),
        ("tcp", tcp::cases()),
        ("protocols", protocols::cases()),
        ("addresses", addresses::cases()),
    ]
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn document() -> String {
    fs::read_to_string(root().join("docs/edge-cases.md")).unwrap()
}

fn begin(name: &str) -> String {
    format!("<!-- table {name} -->\n")
}

const END: &str = "<!-- end -->";

fn verdict(reason: Option<Reason>) -> String {
    match reason {
        None => "–".to_owned(),
        Some(reason) => {
            let word = match reason.action() {
                Action::Pass => "pass",
                Action::Drop => "drop",
            };
            format!("{word} `{}`", reason.name())
        }
    }
}

fn table(cases: &[Case]) -> String {
    let mut text = "| packet | `from_pod` | `to_pod` | nobody isolates | why |\n".to_owned();
    text += "|---|---|---|---|---|\n";
    for case in cases {
        let cells = [
            case.name.to_owned(),
            verdict(case.from_pod),
            verdict(case.to_pod),
            verdict(Some(case.open)),
            case.why.to_owned(),
        ];
        writeln!(text, "| {} |", cells.join(" | ")).unwrap();
    }
    text
}

/// The document with the tables that are tested.
fn as_tested(document: &str) -> String {
    let mut text = document.to_owned();
    for (name, cases) in tables() {
        let begin = begin(name);
        let start = text.find(&begin).unwrap_or_else(|| panic!("no {begin}")) + begin.len();
        let end = start + text[start..].find(END).unwrap();
        text.replace_range(start..end, &table(&cases));
    }
    text
}

#[test]
fn the_document_has_the_tables_that_are_tested() {
    let document = document();
    let tested = as_tested(&document);
    if env::var_os(WRITE).is_some() {
        fs::write(root().join("docs/edge-cases.md"), tested).unwrap();
        return;
    }
    for (written, tested) in document.lines().zip(tested.lines()) {
        assert_eq!(written, tested, "{WRITE}=1 writes the tables");
    }
    assert_eq!(document.len(), tested.len());
}

#[test]
fn every_edge_has_a_name_of_its_own() {
    let mut names = BTreeSet::new();
    for (_, cases) in tables() {
        for case in cases {
            assert!(names.insert(case.name), "{} is there twice", case.name);
        }
    }
}

#[test]
fn every_reason_is_in_the_document() {
    let document = document();
    let missing: Vec<_> = Reason::ALL
        .iter()
        .filter(|reason| !document.contains(&verdict(Some(**reason))))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}

/// Tests are named as `FILE.rs::TEST`, below this crate's `tests`.
#[test]
fn every_test_in_the_document_exists() {
    let document = document();
    let tests: BTreeSet<(&str, &str)> = document
        .split('`')
        .filter_map(|word| word.split_once(".rs::"))
        .collect();
    assert!(tests.len() > tables().len(), "{tests:?}");
    for (file, test) in tests {
        let path = root().join("enforcer/tests").join(format!("{file}.rs"));
        let code = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{file}: {error}"));
        let there = code.contains(&format!("#[test]\nfn {test}()"));
        assert!(there, "no test {test} in {file}.rs");
    }
}
