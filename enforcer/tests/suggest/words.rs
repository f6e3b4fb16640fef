//! What is written, and the exit codes.

use serde_json::{Value, json};

use crate::command::{Folder, suggest};
use crate::records::{DENIED, OPENED, SHOP, api, dns, node, outside, record, web_a, web_b};

/// web is reached from a node and reaches api, dns and somebody outside; one attempt is denied.
fn day() -> Vec<Value> {
    let (web, other, api, dns) = (web_a(), web_b(), api(), dns());
    let (n2, out) = (node("n2", "192.168.0.2"), outside("203.0.113.7"));
    vec![
        record(1, OPENED, "ingress", (&n2, &web), ("TCP", 8080)),
        record(2, OPENED, "egress", (&web, &api), ("TCP", 3306)),
        record(2, OPENED, "ingress", (&web, &api), ("TCP", 3306)),
        record(3, OPENED, "egress", (&other, &api), ("TCP", 3306)),
        record(4, OPENED, "egress", (&web, &dns), ("UDP", 53)),
        record(5, OPENED, "egress", (&web, &out), ("TCP", 443)),
        record(6, DENIED, "egress", (&api, &web), ("TCP", 22)),
        record(
            7,
            ("opened", "own-node"),
            "ingress",
            (&node("n1", "192.168.0.1"), &web),
            ("TCP", 8080),
        ),
    ]
}

const EXPECTED: &str = r#"# Suggested from 8 records, 2026-11-21T08:01:00Z to 2026-11-21T08:07:00Z: 5 kinds of connections.
# 1 record not counted: of a pod with itself or its own node.
# 4 numbers missing between those of the records: filtered out, or lost.
# The policies may lack what only those would have shown.
---
# Deployment shop/web
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: deployment-web
  namespace: shop
spec:
  podSelector:
    matchLabels:
      app: web
  policyTypes:
  - Ingress
  - Egress
  ingress:
  # 1 connection, last 2026-11-21T08:01:00Z
  - from:
    - ipBlock:
        cidr: "192.168.0.2/32" # node n2 (192.168.0.2)
    ports:
    - protocol: TCP
      port: http
  egress:
  # 1 connection, last 2026-11-21T08:05:00Z
  - to:
    - ipBlock:
        cidr: "203.0.113.7/32"
    ports:
    - protocol: TCP
      port: 443
  # 2 connections, last 2026-11-21T08:03:00Z
  - to:
    - podSelector:
        matchLabels:
          app: api
    ports:
    - protocol: TCP
      port: 3306
  # 1 connection, last 2026-11-21T08:04:00Z
  - to:
    - namespaceSelector:
        matchLabels:
          kubernetes.io/metadata.name: kube-system
      podSelector:
        matchLabels:
          k8s-app: kube-dns
    ports:
    - protocol: UDP
      port: dns
---
# StatefulSet shop/api
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: statefulset-api
  namespace: shop
spec:
  podSelector:
    matchLabels:
      app: api
  policyTypes:
  - Ingress
  - Egress
  ingress:
  # 2 connections, last 2026-11-21T08:03:00Z
  - from:
    - podSelector:
        matchLabels:
          app: web
    ports:
    - protocol: TCP
      port: 3306
  # Egress: nothing was seen.
# No policy for these: nothing was recorded at their own pods, as pods without any policy make no record.
#   Deployment kube-system/dns
# Seen but denied, and not allowed by these policies on that account:
#   shop/api-0 → shop/web-5d4-a TCP 22: 1 packet, last 2026-11-21T08:06:00Z
"#;

#[test]
fn a_day_of_a_shop_becomes_a_policy_for_each_workload() {
    let folder = Folder::new(SHOP, &day());
    let run = folder.suggest("");
    assert_eq!(run.out, EXPECTED);
    assert_eq!((run.code, run.err.as_str()), (0, ""));
}

#[test]
fn the_same_records_in_another_order_give_the_same_bytes() {
    let mut records = day();
    records.reverse();
    assert_eq!(Folder::new(SHOP, &records).suggest("").out, EXPECTED);
}

#[test]
fn namespace_workload_and_direction_choose_policies() {
    let folder = Folder::new(SHOP, &day());
    let names = |arguments: &str| {
        let json = folder.suggest(&format!("--output json {arguments}")).json();
        let policies = json["policies"].as_array().unwrap().clone();
        let names = policies.iter().map(|policy| {
            let types = policy["spec"]["policyTypes"].as_array().unwrap();
            format!(
                "{} {}",
                policy["metadata"]["name"].as_str().unwrap(),
                types.len()
            )
        });
        names.collect::<Vec<_>>()
    };
    assert_eq!(names(""), ["deployment-web 2", "statefulset-api 2"]);
    assert_eq!(names("--workload api"), ["statefulset-api 2"]);
    assert_eq!(
        names("--workload Deployment/web --direction egress"),
        ["deployment-web 1"]
    );
    assert_eq!(names("--namespace kube-system"), [""; 0]);
    assert_eq!(names("--namespace kube-system --all"), ["deployment-dns 2"]);
    assert_eq!(names("--pod shop/web-*-b"), ["deployment-web 2"]);
    assert_eq!(names("--pod shop/ --pod not:*/api-?"), ["deployment-web 2"]);
    assert_eq!(names("--label app=api"), ["statefulset-api 2"]);
    assert_eq!(
        names("--namespace sh* --label app!=api"),
        ["deployment-web 2"]
    );
}

#[test]
fn what_was_denied_is_allowed_if_asked_for() {
    let folder = Folder::new(SHOP, &day());
    let run = folder.suggest("--include-denied");
    assert!(
        run.out
            .contains("  # 0 connections, 1 packet denied, last 2026-11-21T08:06:00Z\n"),
        "{}",
        run.out
    );
    assert!(!run.out.contains("Seen but denied"), "{}", run.out);
}

#[test]
fn what_a_later_policy_denied_is_not_allowed_again() {
    let (web, api) = (web_a(), api());
    let at = |minute, kind| record(minute, kind, "egress", (&web, &api), ("TCP", 3306));
    let run = Folder::new(SHOP, &[at(1, OPENED), at(2, DENIED)]).suggest("--workload web");
    assert!(
        run.out.contains("# Egress: nothing was seen"),
        "{}",
        run.out
    );
    let line = "#   shop/web-5d4-a → shop/api-0 TCP 3306: 1 packet, last 2026-11-21T08:02:00Z; \
        1 connection before\n";
    assert!(run.out.contains(line), "{}", run.out);
    let run = Folder::new(SHOP, &[at(1, DENIED), at(2, OPENED)]).suggest("--workload web");
    assert!(run.out.contains("port: 3306"), "{}", run.out);
}

#[test]
fn addresses_outside_are_joined_if_asked_for() {
    let (web, near, far) = (web_a(), outside("203.0.113.9"), outside("203.0.114.9"));
    let mut records = day();
    records.push(record(8, OPENED, "egress", (&web, &near), ("TCP", 443)));
    records.push(record(9, OPENED, "egress", (&web, &far), ("TCP", 443)));
    let folder = Folder::new(SHOP, &records);
    let cidrs = |arguments: &str| {
        let run = folder.suggest(&format!("--direction egress {arguments}"));
        let lines = run
            .out
            .lines()
            .filter_map(|line| line.trim().strip_prefix("cidr: "));
        (lines.map(str::to_owned).collect::<Vec<_>>(), run.code)
    };
    let quoted = |texts: &[&str]| {
        texts
            .iter()
            .map(|text| format!("{text:?}"))
            .collect::<Vec<_>>()
    };
    let single = quoted(&["203.0.113.7/32", "203.0.113.9/32", "203.0.114.9/32"]);
    assert_eq!(cidrs(""), (single, 0));
    assert_eq!(
        cidrs("--allow-outside 24"),
        (quoted(&["203.0.113.0/24", "203.0.114.0/24"]), 0)
    );
    // It covers the pods as well.
    assert_eq!(cidrs("--allow-outside 0"), (quoted(&["0.0.0.0/0"]), 3));
}

#[test]
fn json_has_the_objects_and_what_is_known_about_them() {
    let folder = Folder::new(SHOP, &day());
    let json = folder.suggest("--output json").json();
    assert_eq!(json["records"], 8);
    assert_eq!(json["connections"], 5);
    assert_eq!(json["missing"], 4);
    assert_eq!(
        json["not_counted"],
        json!({"of a pod with itself or its own node": 1})
    );
    assert_eq!(
        json["without_policy"],
        json!(["Deployment kube-system/dns"])
    );
    assert_eq!(json["denied"][0]["verdict"], "denied");
    assert_eq!(json["not_exact"], json!([]));
    assert_eq!(json["policies"][0]["kind"], "NetworkPolicy");
}

#[test]
fn errors_have_the_exit_code_2() {
    let folder = Folder::new(SHOP, &day());
    assert_eq!(suggest("/no/such/file --all").code, 2);
    let run = suggest("--socket /no/such/socket");
    assert_eq!(run.code, 2);
    assert!(
        run.err.contains("enforcer flows --output json"),
        "{}",
        run.err
    );
    let since = folder.suggest("--since 5m");
    assert_eq!((since.code, since.out.as_str()), (2, ""));
    assert!(since.err.contains("--since asks daemons"), "{}", since.err);
    let none = folder.suggest_alone("--manifests /no/such/folder");
    assert_eq!((none.code, none.out.as_str()), (2, ""));
}
