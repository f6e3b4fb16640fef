use std::fmt::Write as _;

use proptest::prelude::*;
use serde_json::json;

use super::*;

fn values(text: &str) -> Vec<serde_json::Value> {
    let documents = parse(text).into_iter();
    let roots = documents.map(|document| {
        assert_eq!(document.errors, []);
        document.root.unwrap().to_json()
    });
    roots.collect()
}

fn codes(text: &str) -> Vec<(&'static str, usize, usize)> {
    let errors = parse(text).into_iter().flat_map(|one| one.errors);
    errors
        .map(|one| (one.code, one.place.line, one.place.column))
        .collect()
}

#[test]
fn empty_documents_are_no_documents() {
    assert_eq!(values(""), Vec::<serde_json::Value>::new());
    assert_eq!(
        values("---\n# nothing\n---\na: 1\n---\n"),
        [json!({"a": 1})]
    );
}

#[test]
fn values_know_their_line_in_the_whole_file_also_in_later_documents() {
    let text = "a: 1\n---\n# x\nb:\n- c: 5\n";
    let documents = parse(text);
    let root = documents[1].root.as_ref().unwrap();
    let at = |path: &str| {
        let place = root.locate(&parse_path(path));
        (place.line, place.column)
    };
    assert_eq!(at("b"), (4, 1));
    assert_eq!(at("b[0]"), (5, 3));
    assert_eq!(at("b[0].c"), (5, 6));
    assert_eq!(at("b[7].c.d"), (4, 1));
}

#[test]
fn a_syntax_error_spoils_its_own_document_only() {
    let text = "a: 1\n---\nb: [1\n---\nc: 3\n";
    let documents = parse(text);
    assert_eq!(documents.len(), 3);
    assert!(documents[0].root.is_some() && documents[2].root.is_some());
    assert!(documents[1].root.is_none());
    assert_eq!(documents[1].errors[0].code, "yaml-syntax");
}

#[test]
fn a_key_twice_is_an_error_at_the_second_and_all_of_them_are_told() {
    let text = "a: 1\nb:\n  c: 1\n  c: 2\na: 3\n";
    assert_eq!(
        codes(text),
        [("duplicate-key", 4, 3), ("duplicate-key", 5, 1)]
    );
}

#[test]
fn aliases_are_copies_and_merge_keys_yield_to_what_is_said() {
    let text = "a: &x {k: 1, l: 2}\nb: *x\nc:\n  l: 3\n  <<: *x\n";
    assert_eq!(
        values(text),
        [json!({"a": {"k": 1, "l": 2}, "b": {"k": 1, "l": 2}, "c": {"k": 1, "l": 3}})]
    );
}

#[test]
fn aliases_that_grow_without_bound_are_refused() {
    let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..10 {
        let before = format!("*a{}, ", level - 1).repeat(10);
        writeln!(text, "a{level}: &a{level} [{before}]").unwrap();
    }
    assert_eq!(codes(&text)[0].0, "alias-bomb");
}

#[test]
fn an_alias_inside_of_itself_is_refused() {
    assert_eq!(codes("a: &a [*a]\n")[0].0, "yaml-syntax");
}

#[test]
fn nesting_without_end_is_refused_without_following_it() {
    for open in ["[", "{a: ", "- "] {
        let text = open.repeat(100_000);
        assert!(!codes(&text).is_empty(), "{open}");
    }
}

#[test]
fn quotes_and_the_string_tag_make_strings() {
    assert_eq!(
        values("[\"80\", '80', !!str 80, 80, yes, 'yes']"),
        [json!(["80", "80", "80", 80, true, "yes"])]
    );
}

#[test]
fn keys_become_strings_by_their_value() {
    assert_eq!(
        values("{80: a, yes: b, 'yes': c}"),
        [json!({"80": "a", "true": "b", "yes": "c"})]
    );
    assert_eq!(codes("? [a]\n: b\n")[0].0, "bad-key");
}

#[test]
fn windows_line_ends_and_a_byte_order_mark_do_no_harm() {
    assert_eq!(
        values("\u{feff}a: 1\r\n---\r\nb: 2\r\n"),
        [json!({"a": 1}), json!({"b": 2})]
    );
}

#[test]
fn json_is_read_too() {
    assert_eq!(
        values("{\"a\": [1, {\"b\": \"c\\n\"}], \"d\": null}"),
        [json!({"a": [1, {"b": "c\n"}], "d": null})]
    );
}

#[test]
fn paths_survive_being_written_and_read() {
    let path = vec![
        Segment::Key("spec".into()),
        Segment::Key("ingress".into()),
        Segment::Index(0),
        Segment::Key("matchLabels".into()),
        Segment::Key("app.kubernetes.io/name".into()),
    ];
    let text = render_path(&path);
    assert_eq!(text, "spec.ingress[0].matchLabels[app.kubernetes.io/name]");
    assert_eq!(parse_path(&text), path);
}

proptest! {
    #[test]
    fn no_text_makes_the_parser_panic(text in "[-a-c:\\[\\]{}&*!|>'\"#%,?<\n\t 0-9~é]{0,200}") {
        for document in parse(&text) {
            if let Some(root) = document.root {
                root.to_json();
            }
        }
    }
}
