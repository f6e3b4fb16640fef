//! What records say together.

use std::path::Path;

use enforcer::recorded::{Log, PassedOver, ReadError, read};
use enforcer_flows::Verdict;
use serde_json::{Value, json};

use crate::records::{DENIED, OPENED, api, record, web_a};

fn log(records: &[Value]) -> Log {
    let lines: Vec<String> = records.iter().map(Value::to_string).collect();
    let text = lines.join("\n\n");
    read(Path::new("flows"), text.as_bytes()).unwrap()
}

fn ends() -> (Value, Value) {
    (web_a(), api())
}

#[test]
fn records_of_both_ends_are_one_connection() {
    let (web, api) = ends();
    let log = log(&[
        record(1, OPENED, "egress", (&web, &api), ("TCP", 80)),
        record(2, OPENED, "ingress", (&web, &api), ("TCP", 80)),
        record(3, OPENED, "ingress", (&web, &api), ("TCP", 80)),
    ]);
    let [(connection, seen)] = &log.connections.iter().collect::<Vec<_>>()[..] else {
        panic!("{:?}", log.connections);
    };
    assert_eq!(connection.to_string(), "shop/web-5d4-a → shop/api-0 TCP 80");
    assert_eq!(seen.opened, [2, 1]);
    assert_eq!(log.endpoints.len(), 2);
}

#[test]
fn what_one_end_denies_is_denied() {
    let (web, api) = ends();
    let at = |kind, direction| record(1, kind, direction, (&web, &api), ("TCP", 80));
    let verdict = |records: &[Value]| {
        let log = log(records);
        log.connections.values().next().unwrap().verdict()
    };
    let opened = at(OPENED, "egress");
    let audited = ("audited", "policy-denied");
    for (other, expected) in [
        (at(DENIED, "ingress"), Verdict::Denied),
        (at(audited, "ingress"), Verdict::Audit),
        (at(OPENED, "ingress"), Verdict::Allowed),
    ] {
        assert_eq!(verdict(&[opened.clone(), other]), expected);
    }
    // Denied once and allowed another time, at the same end.
    let mut later = at(DENIED, "egress");
    later["sequence"] = json!(7);
    assert_eq!(verdict(&[opened, later]), Verdict::Allowed);
}

#[test]
fn the_last_word_of_an_end_counts() {
    let (web, api) = ends();
    let at = |minute, kind, direction| record(minute, kind, direction, (&web, &api), ("TCP", 80));
    let verdict = |records: &[Value]| {
        let log = log(records);
        log.connections.values().next().unwrap().verdict()
    };
    let audited = ("audited", "policy-denied");
    for (first, second, expected) in [
        (OPENED, DENIED, Verdict::Denied),
        (DENIED, OPENED, Verdict::Allowed),
        (OPENED, audited, Verdict::Audit),
        (audited, OPENED, Verdict::Allowed),
    ] {
        let both = [at(1, first, "egress"), at(2, second, "egress")];
        assert_eq!(verdict(&both), expected, "{first:?} {second:?}");
        // The other end is another's.
        let mut with_other = both.to_vec();
        with_other.push(at(3, OPENED, "ingress"));
        assert_eq!(verdict(&with_other), expected, "{first:?} {second:?}");
    }
}

#[test]
fn an_answer_is_of_the_connection_that_it_answers() {
    let (web, api) = ends();
    let mut answer = record(1, OPENED, "ingress", (&web, &api), ("TCP", 80));
    let source = answer["source"].take();
    answer["source"] = answer["destination"].take();
    answer["destination"] = source;
    answer["hook"] = json!("egress");
    let log = log(&[answer]);
    let connection = log.connections.keys().next().unwrap();
    assert_eq!(connection.to_string(), "shop/web-5d4-a → shop/api-0 TCP 80");
}

#[test]
fn what_policies_have_not_decided_is_counted_apart() {
    let (web, api) = ends();
    let of = |number, kind| record(number, kind, "egress", (&web, &api), ("TCP", 80));
    let log = log(&[
        of(1, ("opened", "deferred")),
        of(2, ("opened", "own-node")),
        of(3, ("denied", "spoofed")),
        of(4, ("closed", "allowed")),
        of(5, OPENED),
        of(5, OPENED),
    ]);
    let expected = [
        (PassedOver::Repeated, 1),
        (PassedOver::Ended, 1),
        (PassedOver::Deferred, 1),
        (PassedOver::AlwaysAllowed, 1),
        (PassedOver::NotByPolicy, 1),
    ];
    assert_eq!(log.passed_over, expected.into());
    assert_eq!((log.records, log.connections.len()), (6, 1));
}

#[test]
fn missing_numbers_are_counted_and_a_new_daemon_is_not_a_gap() {
    let (web, api) = ends();
    let of = |number: u64| {
        let mut record = record(1, OPENED, "egress", (&web, &api), ("TCP", 80));
        record["sequence"] = json!(number);
        record
    };
    let log = log(&[of(10), of(14), of(11), of(9_000_000)]);
    assert_eq!(log.gaps(), (2, 1));
}

#[test]
fn a_line_that_is_no_record_is_named() {
    let (web, api) = ends();
    let good = record(1, OPENED, "egress", (&web, &api), ("TCP", 80));
    let text = format!("{good}\n{{}}\n");
    let error = read(Path::new("flows"), text.as_bytes()).unwrap_err();
    assert!(matches!(error, ReadError::Line { line: 2, .. }));
    assert!(
        error.to_string().starts_with("flows:2: no flow record: "),
        "{error}"
    );
}
