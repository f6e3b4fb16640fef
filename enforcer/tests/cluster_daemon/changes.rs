//! What changes in the cluster changes what packets may do.

use enforcer_lab::Pod;
use serde_json::json;

use crate::common::live::Live;
use crate::common::{app, connects, deny_all, ingress, serve};
use crate::world::{PLANE, World, cut_by, namespace};

/// Opens a connection from one pod to port 80 of another.
fn open(from: &Pod, to: &Pod) -> Live {
    Live::open(
        &format!("{} to {}", from.name, to.name),
        from,
        to.v4().unwrap(),
        80,
    )
}

#[test]
fn a_policy_applied_by_kubectl_cuts_what_it_forbids_until_it_is_deleted() {
    let world = World::new(&PLANE, "latency");
    let [db, web] = ["db", "web"].map(|name| world.pod(name));
    let _server = serve(&db, 80);
    connects(&web, db.v4().unwrap(), 80, true);
    let mut policy = ingress("db", "db", &json!([{"from": [app("api")]}]));
    policy["metadata"]["namespace"] = json!("latency");
    let live = open(&web, &db);
    cut_by("a new policy (by kubectl)", &live, || {
        PLANE.apply(&policy.to_string()).unwrap();
    });
    connects(&web, db.v4().unwrap(), 80, false);
    PLANE.delete(&policy.to_string()).unwrap();
    connects(&web, db.v4().unwrap(), 80, true);
}

#[test]
fn a_pods_labels_decide_as_soon_as_they_change() {
    let world = World::new(&PLANE, "labels");
    let [db, web] = ["db", "web"].map(|name| world.pod(name));
    let _server = serve(&db, 80);
    let rules = json!([{"from": [{"podSelector": {"matchLabels": {"role": "client"}}}]}]);
    world.put(&ingress("db", "db", &rules));
    world.wait_for_policy("db", true);
    connects(&web, db.v4().unwrap(), 80, false);
    world.put_pod("web", &json!({"app": "web", "role": "client"}), None);
    connects(&web, db.v4().unwrap(), 80, true);
    let live = open(&web, &db);
    cut_by("a pod's label taken away", &live, || {
        world.put_pod("web", &json!({"app": "web"}), None);
    });
}

#[test]
fn a_namespaces_labels_decide_as_soon_as_they_change() {
    let world = World::new(&PLANE, "relabelled");
    let [db, web] = ["db", "web"].map(|name| world.pod(name));
    let _server = serve(&db, 80);
    let rules = json!([{"from": [{"namespaceSelector": {"matchLabels": {"team": "shop"}}}]}]);
    world.put(&ingress("db", "db", &rules));
    world.wait_for_policy("db", true);
    connects(&web, db.v4().unwrap(), 80, false);
    world
        .objects
        .put(&namespace("relabelled", &json!({"team": "shop"})))
        .unwrap();
    connects(&web, db.v4().unwrap(), 80, true);
    let live = open(&web, &db);
    cut_by("a namespace's label changed", &live, || {
        let other = namespace("relabelled", &json!({"team": "other"}));
        world.objects.put(&other).unwrap();
    });
}

#[test]
fn a_pod_that_comes_later_is_isolated_by_what_is_there() {
    let world = World::new(&PLANE, "later");
    world.put(&deny_all());
    world.wait_for_policy("deny-all", true);
    let [db, web] = ["db", "web"].map(|name| world.pod(name));
    let _server = serve(&db, 80);
    crate::common::eventually("both pods are enforced", || {
        let status = world.status();
        status.in_force && status.endpoints.len() == 2
    });
    connects(&web, db.v4().unwrap(), 80, false);
}
