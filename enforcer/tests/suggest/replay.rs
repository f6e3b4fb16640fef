//! `enforcer trace --replay`.

use serde_json::{Value, json};

use crate::command::{Folder, trace};
use crate::records::{DENIED, OPENED, SHOP, api, dns, node, outside, record, web_a, web_b};

/// api lets web in at one port.
const POLICY: &str = "---
kind: NetworkPolicy
apiVersion: networking.k8s.io/v1
metadata: {name: api, namespace: shop}
spec:
  podSelector: {matchLabels: {app: api}}
  ingress:
  - from: [{podSelector: {matchLabels: {app: web}}}]
    ports: [{port: 3306}]
";

fn under_policy(records: &[Value]) -> Folder {
    Folder::new(&format!("{SHOP}{POLICY}"), records)
}

fn to_api(from: &Value, kind: (&str, &str), port: u16) -> Value {
    record(
        u64::from(port % 50),
        kind,
        "ingress",
        (from, &api()),
        ("TCP", port),
    )
}

#[test]
fn the_same_verdicts_have_the_exit_code_0() {
    let folder = under_policy(&[to_api(&web_a(), OPENED, 3306), to_api(&web_b(), DENIED, 22)]);
    let run = folder.replay("");
    assert_eq!((run.code, run.err.as_str()), (0, ""));
    let table = "connections     now allowed   now denied\n\
        was allowed               1            0\n\
        was denied                0            1\n\
        no longer there: 0; not judged: 0\n";
    assert_eq!(run.out, table);
}

#[test]
fn what_would_be_denied_is_named_with_the_nearest_rule() {
    let run = under_policy(&[to_api(&web_a(), OPENED, 80)]).replay("");
    assert_eq!(run.code, 3);
    let (first, rest) = run.out.split_once('\n').unwrap();
    assert_eq!(
        first,
        "WOULD BE DENIED: shop/web-5d4-a → shop/api-0 TCP 80; was allowed, 1 connection, last 2026-11-21T08:30:00Z"
    );
    for part in [
        "isolated by shop/api",
        "nearest is shop/api spec.ingress[0], but",
        "was allowed               0            1",
    ] {
        assert!(rest.contains(part), "{part}: {rest}");
    }
}

#[test]
fn what_would_be_allowed_is_named_too() {
    let run = under_policy(&[to_api(&web_a(), DENIED, 3306)]).replay("--output json");
    assert_eq!(run.code, 3);
    let json = run.json();
    assert_eq!(json["summary"]["newly_allowed"], 1);
    let one = &json["differing"][0];
    assert_eq!(
        (&one["was"], &one["from"]),
        (&json!("denied"), &json!("shop/web-5d4-a"))
    );
    assert_eq!(one["now"]["verdict"], "allow");
    assert_eq!(one["now"]["ingress"]["allowed_by"]["policy"], "shop/api");
}

#[test]
fn a_replaced_pod_is_judged_by_another_of_its_workload() {
    let mut old = web_a();
    old["pod"] = json!("shop/web-4c3-z");
    let run = under_policy(&[to_api(&old, OPENED, 80)]).replay("--output json");
    assert_eq!(run.code, 3);
    let instead = &run.json()["differing"][0]["instead"];
    assert_eq!(*instead, json!([["shop/web-4c3-z", "shop/web-5d4-a"]]));
}

#[test]
fn a_pod_without_another_of_its_workload_is_no_longer_there() {
    let mut old = web_a();
    old["pod"] = json!("shop/old-1");
    old["workload"] = json!("Deployment/old");
    let run = under_policy(&[to_api(&old, OPENED, 80)]).replay("");
    assert_eq!(run.code, 0, "{}", run.out);
    assert!(
        run.out
            .starts_with("no longer there: shop/old-1 → shop/api-0 TCP 80"),
        "{}",
        run.out
    );
    assert!(
        run.out.contains("the pod shop/old-1 is no longer there"),
        "{}",
        run.out
    );
    assert!(
        run.err
            .contains("of 1 recorded connections an end is no longer there"),
        "{}",
        run.err
    );
}

#[test]
fn the_one_that_stands_for_a_pod_is_never_its_peer() {
    // Both ends were of web, and only one of its pods is there.
    let mut old = web_b();
    old["pod"] = json!("shop/web-4c3-z");
    let manifests = SHOP.split("---").filter(|part| !part.contains("web-5d4-b"));
    let manifests: Vec<&str> = manifests.collect();
    let records = [record(1, OPENED, "egress", (&old, &web_a()), ("TCP", 80))];
    let run = Folder::new(&manifests.join("---"), &records).replay("--output json");
    assert_eq!(
        run.json()["gone"].as_array().unwrap().len(),
        1,
        "{}",
        run.out
    );
}

#[test]
fn nodes_and_addresses_outside_are_ends_too() {
    let folder = under_policy(&[
        to_api(&node("n1", "192.168.0.1"), OPENED, 3306),
        record(
            7,
            DENIED,
            "ingress",
            (&outside("203.0.113.7"), &api()),
            ("TCP", 3306),
        ),
        record(9, OPENED, "egress", (&web_a(), &dns()), ("UDP", 53)),
        record(8, OPENED, "ingress", (&web_a(), &api()), ("ICMP", 0)),
    ]);
    let summary = folder.replay("--output json").json()["summary"].clone();
    let expected =
        json!({"still_allowed": 1, "newly_denied": 2, "newly_allowed": 0, "still_denied": 1});
    assert_eq!(summary, expected);
}

#[test]
fn errors_have_the_exit_code_2() {
    let folder = under_policy(&[json!({"no": "record"})]);
    let run = folder.replay("");
    assert_eq!((run.code, run.out.as_str()), (2, ""));
    assert!(run.err.contains(":1: no flow record"), "{}", run.err);
    for (arguments, said) in [
        ("--since 5m", "--since and --cluster"),
        ("--prune", "--delete and --prune change what is in force"),
    ] {
        let run = folder.replay(arguments);
        assert_eq!((run.code, run.out.as_str()), (2, ""));
        assert!(run.err.contains(said), "{}", run.err);
    }
    let run = trace(&format!("--replay {}", folder.flows().display()));
    assert_eq!((run.code, run.out.as_str()), (2, ""));
    assert!(run.err.contains("needs --manifests"), "{}", run.err);
}
