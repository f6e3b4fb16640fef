//! `enforcer check` over the manifests in `fixtures/check`: beside each stands what is said of it.
//!
//! With `UPDATE_EXPECTED=1` the expectations are written anew, to be read before they are committed.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fs;
use std::path::{Path, PathBuf};

use enforcer::cli::Output;
use enforcer::cli::check::{CheckArgs, run};
use proptest::prelude::*;

fn fixtures() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/check");
    let entries = fs::read_dir(folder).unwrap();
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| {
        path.extension()
            .is_some_and(|extension| extension == "yaml" || extension == "json")
    });
    paths.sort();
    paths
}

fn check(paths: &[PathBuf], output: Output, deny_warnings: bool) -> (u8, String) {
    let args = CheckArgs {
        paths: paths.to_vec(),
        deny_warnings,
        output,
    };
    let mut out = Vec::new();
    let code = run(&args, &mut out).unwrap();
    (code, String::from_utf8(out).unwrap())
}

#[test]
fn every_fixture_is_told_as_expected() {
    let update = std::env::var_os("UPDATE_EXPECTED").is_some();
    let mut wrong = Vec::new();
    for path in fixtures() {
        let (code, text) = check(std::slice::from_ref(&path), Output::Text, false);
        let folder = format!("{}/", path.parent().unwrap().display());
        let actual = format!("{}exit {code}\n", text.replace(&folder, ""));
        let expected = path.with_extension("expected");
        if update {
            fs::write(&expected, &actual).unwrap();
        }
        if fs::read_to_string(&expected).unwrap_or_default() != actual {
            wrong.push(format!("{}:\n{actual}", path.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn fixture(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/check");
    folder.join(name)
}

#[test]
fn the_exit_code_is_0_clean_1_for_denied_warnings_and_2_for_errors() {
    let code = |name, deny| check(&[fixture(name)], Output::Text, deny).0;
    assert_eq!(code("seed-clean.yaml", true), 0);
    assert_eq!(code("lint-split-peer.yaml", false), 0);
    assert_eq!(code("lint-split-peer.yaml", true), 1);
    assert_eq!(code("seed-metadat.yaml", false), 2);
    assert_eq!(code("seed-metadat.yaml", true), 2);
    // What is only mentioned is never denied.
    assert_eq!(code("seed-deny-all.yaml", true), 0);
}

#[test]
fn a_path_that_does_not_exist_is_an_error() {
    let (code, text) = check(&["/no/such/file.yaml".into()], Output::Text, false);
    assert_eq!(code, 2);
    assert!(
        text.starts_with("/no/such/file.yaml: error[no-such-file]: "),
        "{text}"
    );
}

#[test]
fn a_folder_without_manifests_is_a_warning() {
    let folder = tempfile::tempdir().unwrap();
    let path = vec![folder.path().to_owned()];
    assert_eq!(check(&path, Output::Text, false).0, 0);
    assert_eq!(check(&path, Output::Text, true).0, 1);
}

#[test]
fn json_has_the_problems_and_their_counts() {
    let (code, text) = check(&[fixture("seed-metadat.yaml")], Output::Json, false);
    assert_eq!(code, 2);
    let report: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(report["errors"], 1);
    let problem = &report["problems"][0];
    assert_eq!(problem["severity"], "error");
    assert_eq!(problem["code"], "unknown-field");
    assert_eq!(problem["line"], 3);
    assert_eq!(problem["field"], "metadat");
    assert_eq!(problem["help"], "did you mean metadata?");
}

#[test]
fn files_that_are_given_together_are_checked_together() {
    let folder = tempfile::tempdir().unwrap();
    let policy = fs::read_to_string(fixture("seed-clean.yaml")).unwrap();
    let paths = ["a.yaml", "b.yaml"].map(|name| folder.path().join(name));
    for path in &paths {
        fs::write(path, &policy).unwrap();
    }
    let (code, text) = check(&paths, Output::Text, false);
    assert_eq!(code, 2);
    assert!(
        text.contains("duplicate-object") && text.contains("a.yaml:1"),
        "{text}"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// A fixture with some of its text cut out, repeated or replaced.
    #[test]
    fn no_mutated_manifest_makes_the_check_panic(
        index in any::<prop::sample::Index>(),
        edits in prop::collection::vec(
            (any::<prop::sample::Index>(), 0..20usize, "[-:{}\\[\\]&*\"'#|>!,?~\t\n a0é]{0,4}"), 1..6),
    ) {
        let files = fixtures();
        let mut text: Vec<char> =
            fs::read_to_string(index.get(&files)).unwrap().chars().collect();
        for (at, length, replacement) in edits {
            let at = at.index(text.len() + 1);
            let end = (at + length).min(text.len());
            text.splice(at..end, replacement.chars());
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.yaml");
        fs::write(&path, text.into_iter().collect::<String>()).unwrap();
        let (code, _) = check(&[path], Output::Text, false);
        prop_assert!(code == 0 || code == 2);
    }

    #[test]
    fn no_text_makes_the_check_panic(text in "\\PC{0,300}") {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.yaml");
        fs::write(&path, text).unwrap();
        check(&[path], Output::Json, false);
    }
}
