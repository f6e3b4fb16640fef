//! How far labels tell workloads apart, and what is said where they do not.

use serde_json::{Value, json};

use crate::command::{Folder, Run};
use crate::records::{OPENED, SHOP, api, outside, record, web_a};

/// A pod of its own in `shop`.
fn pod(name: &str, address: &str, labels: &Value) -> String {
    let pod = json!({"kind": "Pod", "apiVersion": "v1",
        "metadata": {"name": name, "namespace": "shop", "labels": labels},
        "spec": {"nodeName": "n1", "containers": [{"name": "c", "image": "i"}]},
        "status": {"podIPs": [{"ip": address}]}});
    format!("---\n{pod}\n")
}

fn party(name: &str, address: &str, labels: &Value) -> Value {
    json!({"address": address, "pod": format!("shop/{name}"), "node": "n1", "labels": labels})
}

/// The shop with one pod more, that web and api talk.
fn with(labels: &Value) -> Folder {
    let (web, api) = (web_a(), api());
    let manifests = format!("{SHOP}{}", pod("more", "10.244.0.9", labels));
    let at = |direction| record(1, OPENED, direction, (&web, &api), ("TCP", 3306));
    Folder::new(&manifests, &[at("egress"), at("ingress")])
}

fn assert_not_exact(run: &Run, expected: &str) {
    assert_eq!(run.code, 3, "{}", run.err);
    assert!(run.err.contains(expected), "{}", run.err);
    let warning = run
        .err
        .lines()
        .find(|line| line.contains(expected))
        .unwrap();
    let comment = warning.replace("warning: not exact", "# Not exact");
    assert!(
        run.out.contains(&format!("{comment}.\n")),
        "{comment}: {}",
        run.out
    );
}

#[test]
fn a_label_that_only_the_other_has_tells_them_apart() {
    let run = with(&json!({"app": "web", "track": "canary"})).suggest("--workload web");
    assert_eq!(run.code, 0, "{}", run.err);
    let selector =
        "      app: web\n    matchExpressions:\n    - key: track\n      operator: DoesNotExist\n";
    assert!(run.out.contains(selector), "{}", run.out);
}

#[test]
fn pods_with_the_same_labels_are_named() {
    let run = with(&json!({"app": "web"})).suggest("--workload web");
    assert_not_exact(
        &run,
        "Deployment shop/web cannot be told by labels from Pod shop/more",
    );
    assert!(
        run.out
            .contains("# Note: it also selects the pods of Pod shop/more.\n"),
        "{}",
        run.out
    );
}

#[test]
fn labels_of_a_revision_tell_nothing() {
    // It differs from web in the hash alone.
    let run = with(&json!({"app": "web", "pod-template-hash": "other"})).suggest("--workload web");
    assert_not_exact(&run, "cannot be told by labels");
}

#[test]
fn a_peer_without_labels_has_no_rule() {
    let (api, more) = (api(), party("more", "10.244.0.9", &json!({})));
    let manifests = format!("{SHOP}{}", pod("more", "10.244.0.9", &json!({})));
    let records = [record(1, OPENED, "ingress", (&more, &api), ("TCP", 3306))];
    let run = Folder::new(&manifests, &records).suggest("");
    assert_not_exact(&run, "Pod shop/more has no label");
    assert!(
        run.out.contains("# Ingress: nothing was seen"),
        "{}",
        run.out
    );
}

#[test]
fn icmp_has_no_rule() {
    let (web, api) = (web_a(), api());
    let records = [record(1, OPENED, "ingress", (&web, &api), ("ICMP", 0))];
    let run = Folder::new(SHOP, &records).suggest("");
    assert_not_exact(
        &run,
        "shop/web-5d4-a → shop/api-0 ICMP: NetworkPolicies have rules for TCP, UDP and SCTP only",
    );
}

#[test]
fn pods_on_nodes_without_records_are_named() {
    let (web, out) = (web_a(), outside("203.0.113.7"));
    let records = [record(1, OPENED, "egress", (&web, &out), ("TCP", 443))];
    let run = Folder::new(SHOP, &records).suggest("");
    assert_not_exact(
        &run,
        "Deployment shop/web also has pods on nodes that made no record (n2)",
    );
}

#[test]
fn a_pod_of_a_workload_that_is_no_longer_there_is_taken_from_its_records() {
    let (api, old) = (api(), party("old", "10.244.0.99", &json!({"app": "old"})));
    let records = [record(1, OPENED, "ingress", (&old, &api), ("TCP", 3306))];
    let run = Folder::new(SHOP, &records).suggest("--workload api");
    assert_not_exact(
        &run,
        "the pod shop/old and its workload are not in the manifests",
    );
    assert!(run.out.contains("          app: old\n"), "{}", run.out);
}

#[test]
fn a_pod_that_was_replaced_is_its_workloads() {
    let mut web = web_a();
    web["pod"] = json!("shop/web-4c3-z");
    web["labels"] = json!({"app": "web", "version": "old"});
    let api = api();
    let records = [record(1, OPENED, "ingress", (&web, &api), ("TCP", 3306))];
    let run = Folder::new(SHOP, &records).suggest("--workload api");
    assert_eq!(run.code, 0, "{}", run.err);
    assert!(run.out.contains("          app: web\n"), "{}", run.out);
}

#[test]
fn without_manifests_nothing_is_called_exact() {
    let run = with(&json!({"app": "x"})).suggest_alone("");
    assert_not_exact(&run, "without --manifests nobody can tell");
    assert!(run.out.contains("name: deployment-web\n"), "{}", run.out);
}

#[test]
fn other_policies_of_the_same_pods_are_named_and_their_names_not_used() {
    let policy = "---\nkind: NetworkPolicy\napiVersion: networking.k8s.io/v1\n\
        metadata: {name: deployment-web, namespace: shop}\nspec: {podSelector: {}}\n";
    let (web, api) = (web_a(), api());
    let at = |direction| record(1, OPENED, direction, (&web, &api), ("TCP", 3306));
    let folder = Folder::new(&format!("{SHOP}{policy}"), &[at("egress"), at("ingress")]);
    let run = folder.suggest("--workload web");
    assert_eq!(run.code, 0, "{}", run.err);
    assert!(
        run.out.contains("name: deployment-web-suggested\n"),
        "{}",
        run.out
    );
    assert!(
        run.out.contains("# Note: shop/deployment-web selects pods"),
        "{}",
        run.out
    );
}

#[test]
fn manifests_with_errors_are_left_out_and_that_is_said() {
    let (web, api) = (web_a(), api());
    let at = |direction| record(1, OPENED, direction, (&web, &api), ("TCP", 3306));
    let wrong = "---\nkind: Pod\napiVersion: v1\nmetadata: {name: x, namespace: shop, lables: {}}\nspec: {containers: [{name: c, image: i}]}\n";
    let folder = Folder::new(&format!("{SHOP}{wrong}"), &[at("egress"), at("ingress")]);
    let run = folder.suggest("");
    assert_not_exact(&run, "1 error in the manifests: what has one is left out");
    assert!(run.err.contains("lables"), "{}", run.err);
}

#[test]
fn what_a_record_is_called_is_no_yaml() {
    let api = api();
    let mut evil = party(
        "x",
        "10.244.0.99",
        &json!({"app": "a\n  evil: \"yes\" # ", "k": "true"}),
    );
    evil["workload"] = json!("Deployment/a\n---\nkind: Evil");
    let records = [record(1, OPENED, "ingress", (&evil, &api), ("TCP", 3306))];
    let run = Folder::new(SHOP, &records).suggest("--workload api");
    assert!(
        run.out.lines().all(|line| !line.starts_with("kind: Evil")),
        "{}",
        run.out
    );
    assert!(run.out.contains("          k: \"true\"\n"), "{}", run.out);
}
