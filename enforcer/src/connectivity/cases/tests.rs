use std::collections::BTreeSet;

use super::*;

/// All client, server and port triples of a case, and whether they are allowed.
fn cells(case: &Case) -> Vec<((Client, Server, Port), bool)> {
    let expectations = case.expectations.iter();
    let cells = expectations.flat_map(|one| {
        let ports = move |client: &Client| {
            let client = *client;
            let cell = move |port: &Port| ((client, one.server, *port), one.allowed);
            one.ports.iter().map(cell)
        };
        one.clients.iter().flat_map(ports)
    });
    cells.collect()
}

#[test]
fn names_are_told_apart_and_the_baseline_is_first() {
    let names: BTreeSet<&str> = CASES.iter().map(|case| case.name).collect();
    assert_eq!(names.len(), CASES.len());
    assert_eq!(CASES[0].name, Case::BASELINE);
}

#[test]
fn nothing_is_expected_twice_in_a_case() {
    for case in CASES {
        let cells = cells(case);
        let once: BTreeSet<_> = cells.iter().map(|(cell, _)| cell).collect();
        assert_eq!(once.len(), cells.len(), "{}", case.name);
    }
}

#[test]
fn every_case_with_policies_denies_something_and_allows_something() {
    for case in &CASES[1..] {
        for wanted in [false, true] {
            let found = cells(case).iter().any(|(_, allowed)| *allowed == wanted);
            assert!(found, "{}: {wanted}", case.name);
        }
    }
}

/// What can be reached at all is known only of what the baseline tries; services and connections
/// that stay open are tried beside it.
#[test]
fn the_baseline_tries_whatever_other_cases_try_anew() {
    let baseline: BTreeSet<_> = cells(&CASES[0]).into_iter().map(|(cell, _)| cell).collect();
    for case in &CASES[1..] {
        for (cell, _) in cells(case) {
            let special = matches!(cell.2, Port::Service | Port::Kept);
            assert!(
                special || baseline.contains(&cell),
                "{}: {cell:?}",
                case.name
            );
        }
    }
}

#[test]
fn an_expectation_says_in_words_what_is_tried() {
    let words: Vec<String> = CASES
        .iter()
        .flat_map(|case| case.expectations)
        .map(ToString::to_string)
        .collect();
    assert!(
        words.contains(
            &"strangers and guests do not reach blue at TCP 8080 (web) and UDP 5353 (dns)"
                .to_owned()
        ),
        "{words:?}"
    );
    assert!(words.contains(&"friends reach green by its service address".to_owned()));
    assert!(words.contains(&"friends do not reach blue by a connection opened before".to_owned()));
}
