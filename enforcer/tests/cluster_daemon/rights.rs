//! The daemon has the rights that `deploy/` gives it, and needs no others.

use std::time::Duration;

use enforcer_cluster::{Ending, Options};
use serde_json::{Value, json};

use crate::common::{connects, eventually, ingress, serve, within};
use crate::world::{ACCOUNT, PLANE, World, installed};

/// What the daemon reads.
const READ: [(&str, &str); 6] = [
    ("", "nodes"),
    ("", "namespaces"),
    ("", "pods"),
    ("", "services"),
    ("networking.k8s.io", "networkpolicies"),
    ("discovery.k8s.io", "endpointslices"),
];

#[test]
fn with_the_rights_as_shipped_everything_is_enforced_and_nothing_is_missing() {
    let world = World::new(&PLANE, "shipped");
    let [db, web] = ["db", "web"].map(|name| world.pod(name));
    let _server = serve(&db, 80);
    world.put(&ingress("db", "db", &json!([])));
    world.wait_for_policy("db", true);
    connects(&web, db.v4().unwrap(), 80, false);
    let status = world.status();
    assert_eq!(status.faults, Vec::<String>::new());
    let log = world.daemon.as_ref().unwrap().log();
    assert!(!log.contains("forbidden"), "{log}");
}

#[test]
fn the_daemon_may_not_change_or_read_what_it_does_not_need() {
    // Nothing else in this test: who may do what, the API server says.
    let [namespace, name] = ACCOUNT;
    let user = format!("--as=system:serviceaccount:{namespace}:{name}");
    let may = |verb: &str, resource: &str| {
        let words = ["auth", "can-i", verb, resource, "--all-namespaces", &user];
        PLANE.kubectl(&words).is_ok()
    };
    assert!(may("watch", "pods"));
    for resource in ["secrets", "configmaps", "serviceaccounts"] {
        assert!(!may("get", resource), "get {resource}");
        assert!(!may("list", resource), "list {resource}");
    }
    for verb in ["create", "update", "patch", "delete"] {
        for (_, resource) in READ {
            assert!(!may(verb, resource), "{verb} {resource}");
        }
    }
}

#[test]
fn each_missing_verb_is_named_and_what_is_in_force_stays() {
    let options = Options {
        // So that lists are read by the verb `list`, as with servers before 1.34.
        api_server: vec!["--feature-gates=WatchList=false".into()],
        ..Options::default()
    };
    let plane = installed(&options);
    let world = World::new(&plane, "verbs");
    let [db, web] = ["db", "web"].map(|name| world.pod(name));
    let _server = serve(&db, 80);
    world.put(&ingress("db", "db", &json!([])));
    world.wait_for_policy("db", true);
    let shipped = plane.kubectl(&["get", "clusterrole", "enforcer", "-o", "json"]);
    let shipped: Value = serde_json::from_str(&shipped.unwrap()).unwrap();
    let replace = |role: &Value| {
        let mut role = role.clone();
        role["metadata"] = json!({"name": "enforcer"});
        let words = ["replace", "-f", "-"];
        plane
            .kubectl_with(plane.kubeconfig(), &words, &role.to_string())
            .unwrap();
    };
    for verb in ["list", "watch"] {
        replace(&without(&shipped, verb));
        eventually("the right is gone", || {
            let [namespace, name] = ACCOUNT;
            let user = format!("--as=system:serviceaccount:{namespace}:{name}");
            let words = ["auth", "can-i", verb, "pods", "--all-namespaces", &user];
            plane.kubectl(&words).is_err()
        });
        world.proxy.end_watches(Ending::Gone);
        within(Duration::from_secs(60), "all six are named", || {
            let faults = world.status().faults;
            READ.iter().all(|(group, resource)| {
                let wanted =
                    format!("cannot {verb} resource \"{resource}\" in API group \"{group}\"");
                faults.iter().any(|fault| fault.contains(&wanted))
            })
        });
        connects(&web, db.v4().unwrap(), 80, false);
        replace(&shipped);
        within(Duration::from_secs(90), "the rights are back", || {
            world.status().faults.is_empty()
        });
    }
    connects(&web, db.v4().unwrap(), 80, false);
}

/// The role without a verb.
fn without(role: &Value, verb: &str) -> Value {
    let mut role = role.clone();
    for rule in role["rules"].as_array_mut().unwrap() {
        let verbs = rule["verbs"].as_array_mut().unwrap();
        verbs.retain(|one| one != verb);
    }
    role
}
