//! Changes while connections run: exactly those are cut that must be. Needs root and a built BPF
//! object.

#![expect(clippy::unwrap_used, reason = "a test ends at its first surprise")]

#[path = "common/mod.rs"]
#[allow(dead_code, reason = "each test file uses some of the helpers")]
mod common;

use std::time::Duration;

use common::live::Live;
use common::{
    BRIDGE, LONG, Node, SHORT, app, connects, deny_all, eventually, ingress, pod_object, policy,
    serve, within,
};
use enforcer_lab::{Families, Pod, Shape};
use serde_json::{Value, json};

/// How long a change may take on a busy machine. The rule is a second, which
/// [`an_edit_takes_effect_within_a_second`] asks on its own terms.
const SOON: Duration = Duration::from_secs(4);

/// Whether a new connection can be made now.
fn can_connect(from: &Pod, to: &Pod, port: u16) -> bool {
    let to = (to.v4().unwrap(), port).into();
    enforcer_lab::probe::tcp_connect(from, to, SHORT).unwrap() == enforcer_lab::Outcome::Connected
}

fn edits_cut_exactly_what_they_must(shape: Shape) {
    let mut node = Node::new(shape, Families::Dual);
    let [db, web, api, ops] = ["db", "web", "api", "ops"].map(|name| node.pod(name));
    let _servers =
        [(&db, 80), (&db, 443), (&web, 80), (&ops, 80)].map(|(at, port)| serve(at, port));
    node.start("");
    let open = |name: &str, from: &Pod, to: &Pod, port: u16| {
        [to.v4(), to.v6()].map(|address| Live::open(name, from, address.unwrap(), port))
    };
    // All of these begin before any pod is isolated.
    let web_db = open("web → db", &web, &db, 80);
    let ops_db = open("ops → db", &ops, &db, 443);
    let api_db = open("api → db", &api, &db, 80);
    let api_db_443 = open("api → db", &api, &db, 443);
    let db_web = open("db → web", &db, &web, 80);
    let api_web = open("api → web", &api, &web, 80);
    let web_ops = open("web → ops", &web, &ops, 80);

    let only_api = json!([{"from": [app("api")], "ports": [{"port": 80}, {"port": 443}]}]);
    node.put(&ingress("db", "db", &only_api));
    node.settle();
    for cut in web_db.iter().chain(&ops_db) {
        cut.is_cut_within(SOON);
    }
    let survivors = [&api_db, &api_db_443, &db_web, &api_web, &web_ops];
    survivors.into_iter().flatten().for_each(Live::goes_on);

    // These begin while db is isolated, and are tracked.
    let api_db_new = open("api → db, new", &api, &db, 80);
    let ports = json!([{"from": [app("api")], "ports": [{"port": 80}]}]);
    node.put(&ingress("db", "db", &ports));
    node.settle();
    for cut in &api_db_443 {
        cut.is_cut_within(SOON);
    }
    let survivors = [&api_db, &api_db_new, &db_web, &api_web, &web_ops];
    survivors.into_iter().flatten().for_each(Live::goes_on);

    node.put(&ingress("db", "db", &json!([])));
    node.settle();
    for cut in api_db.iter().chain(&api_db_new) {
        cut.is_cut_within(SOON);
    }
    [&db_web, &api_web, &web_ops]
        .into_iter()
        .flatten()
        .for_each(Live::goes_on);

    node.put(&deny_all());
    node.settle();
    for cut in [&db_web, &api_web, &web_ops].into_iter().flatten() {
        cut.is_cut_within(SOON);
    }
}

#[test]
fn edits_cut_exactly_the_connections_that_they_must_with_ptp_links() {
    edits_cut_exactly_what_they_must(Shape::Ptp);
}

#[test]
fn edits_cut_exactly_the_connections_that_they_must_with_a_bridge() {
    edits_cut_exactly_what_they_must(BRIDGE);
}

#[test]
fn a_connection_that_egress_forbids_is_cut_and_others_go_on() {
    let mut node = Node::new(Shape::Ptp, Families::V4);
    let [web, db, api] = ["web", "db", "api"].map(|name| node.pod(name));
    let _servers = [(&db, 80), (&web, 80), (&api, 80)].map(|(at, port)| serve(at, port));
    node.start("");
    let [db_at, web_at, api_at] = [&db, &web, &api].map(|pod| pod.v4().unwrap());
    let forbidden = Live::open("web → db", &web, db_at, 80);
    let allowed = Live::open("web → api", &web, api_at, 80);
    let incoming = Live::open("db → web", &db, web_at, 80);
    let spec = json!({
        "podSelector": {"matchLabels": {"app": "web"}},
        "policyTypes": ["Egress"], "egress": [{"to": [app("api")]}],
    });
    node.put(&policy("web", &spec));
    node.settle();
    forbidden.is_cut_within(SOON);
    allowed.goes_on();
    incoming.goes_on();
}

/// A database that takes only `app: api`, from a namespace with `env: prod` if that is asked.
fn with_db(rules: &Value) -> (Node, Pod, Pod, Vec<enforcer_lab::Server>) {
    let mut node = Node::new(Shape::Ptp, Families::V4);
    let (db, api) = (node.pod("db"), node.pod("api"));
    let server = serve(&db, 80);
    node.put(&ingress("db", "db", rules));
    node.start("");
    (node, db, api, vec![server])
}

#[test]
fn a_pod_that_loses_its_label_loses_its_connections() {
    let (node, db, api, _servers) = with_db(&json!([{"from": [app("api")]}]));
    let live = Live::open("api → db", &api, db.v4().unwrap(), 80);
    node.put(&pod_object("api", &[("app", "other")], &api.addresses));
    live.is_cut_within(SOON);
    connects(&api, db.v4().unwrap(), 80, false);
    node.put(&pod_object("api", &[("app", "api")], &api.addresses));
    eventually("the label is back", || can_connect(&api, &db, 80));
}

#[test]
fn a_namespace_that_loses_its_label_loses_its_pods_connections() {
    let prod = json!([{"from": [{"namespaceSelector": {"matchLabels": {"env": "prod"}}}]}]);
    let (node, db, api, _servers) = with_db(&prod);
    let namespace = |env: &str| {
        json!({"apiVersion": "v1", "kind": "Namespace",
            "metadata": {"name": "default", "labels": {"env": env}}})
    };
    connects(&api, db.v4().unwrap(), 80, false);
    node.put(&namespace("prod"));
    eventually("the namespace is prod", || can_connect(&api, &db, 80));
    let live = Live::open("api → db", &api, db.v4().unwrap(), 80);
    node.put(&namespace("test"));
    live.is_cut_within(SOON);
    connects(&api, db.v4().unwrap(), 80, false);
}

#[test]
fn the_next_pod_with_an_address_inherits_nothing() {
    let (node, db, api, _servers) = with_db(&json!([{"from": [app("api")]}]));
    connects(&api, db.v4().unwrap(), 80, true);
    let addresses = api.addresses.clone();
    node.delete(&pod_object("api", &[], &addresses));
    node.lab.remove_pod(api).unwrap();
    let thief = node.lab.add_pod_with("thief", &addresses).unwrap();
    // Nobody knows it yet: it is no api pod.
    node.settle();
    connects(&thief, db.v4().unwrap(), 80, false);
    node.put(&pod_object("thief", &[("app", "thief")], &addresses));
    node.settle();
    connects(&thief, db.v4().unwrap(), 80, false);
    // And the next database is not isolated by the policy of the one before.
    let old = db.addresses.clone();
    node.delete(&pod_object("db", &[], &old));
    node.lab.remove_pod(db).unwrap();
    let cache = node.lab.add_pod_with("cache", &old).unwrap();
    let _server = serve(&cache, 80);
    node.put(&pod_object("cache", &[("app", "cache")], &old));
    node.settle();
    connects(&thief, cache.v4().unwrap(), 80, true);
}

#[test]
fn a_new_pod_is_enforced_whichever_of_link_and_manifest_comes_first() {
    let mut node = Node::new(Shape::Ptp, Families::V4);
    let client = node.pod("client");
    node.put(&ingress(
        "late",
        "late",
        &json!([{"ports": [{"port": 81}]}]),
    ));
    node.start("");
    let labels = [("app", "late")];
    let one = node.lab.add_pod("one").unwrap();
    let _one = [80, 81].map(|port| serve(&one, port));
    eventually("pending lets it pass", || can_connect(&client, &one, 80));
    node.put(&pod_object("one", &labels, &one.addresses));
    within(SOON, "link first", || !can_connect(&client, &one, 80));
    connects(&client, one.v4().unwrap(), 81, true);

    let address = "10.244.7.7".parse().unwrap();
    node.put(&pod_object("two", &labels, &[address]));
    node.settle();
    let two = node.lab.add_pod_with("two", &[address]).unwrap();
    let _two = [80, 81].map(|port| serve(&two, port));
    within(SOON, "manifest first", || !can_connect(&client, &two, 80));
    connects(&client, address, 81, true);
}

#[test]
fn an_edit_takes_effect_within_a_second() {
    let (node, db, api, _servers) = with_db(&json!([]));
    let mut times = Vec::new();
    for round in 0..7 {
        let rules = if round % 2 == 0 {
            json!([{"from": [app("api")]}])
        } else {
            json!([])
        };
        let isolated = round % 2 == 1;
        node.put(&ingress("db", "db", &rules));
        times.push(within(LONG, "the edit is in force", || {
            can_connect(&api, &db, 80) != isolated
        }));
    }
    times.sort();
    // A denial is seen after SHORT. One slow round is the machine's.
    assert!(times[3] < Duration::from_secs(1) + SHORT, "{times:?}");
}

#[test]
fn what_is_broken_changes_nothing_in_force_and_hides_nothing() {
    let (node, db, api, _servers) = with_db(&json!([{"from": [app("api")]}]));
    let other = node.pod("other");
    let _more = serve(&other, 80);
    node.settle();
    let write = |name: &str, text: &str| node.lab.write_manifest(name, text).unwrap();
    let named = |file: &str| {
        node.status()
            .problems
            .iter()
            .any(|line| line.contains(file))
    };
    let live = Live::open("api → db", &api, db.v4().unwrap(), 80);

    // A policy that was in force becomes unreadable, another one that makes no sense appears, and
    // so does a valid one.
    let object = ingress("db", "db", &json!([{"from": [app("api")]}]));
    write(&common::file_name(&object), "kind: [");
    let invalid = ingress("invalid", "db", &json!([{"ports": [{"port": 70000}]}]));
    node.put(&invalid);
    node.put(&ingress("other", "other", &json!([])));
    within(SOON, "the valid policy is in force", || {
        !can_connect(&api, &other, 80)
    });
    eventually("the broken file is named", || {
        named(&common::file_name(&object))
    });
    eventually("the invalid policy is named", || {
        named(&common::file_name(&invalid))
    });
    live.goes_on();
    connects(&other, db.v4().unwrap(), 80, false);
    connects(&api, db.v4().unwrap(), 80, true);
    let status = node.verb(&["status"]);
    assert_eq!(status.status.code(), Some(1));
    let text = String::from_utf8(status.stdout).unwrap();
    assert!(
        text.contains("NOT in force") && text.contains("default/invalid"),
        "{text}"
    );

    node.put(&object);
    node.delete(&invalid);
    eventually("mended", || {
        node.status().problems.is_empty() && node.status().in_force
    });
    live.goes_on();
}
