//! Storms of changes.

use std::net::Ipv4Addr;
use std::thread;
use std::time::{Duration, Instant};

use enforcer_cluster::Options;
use serde_json::json;

use crate::common::{app, connects, eventually, ingress, serve};
use crate::world::{PLANE, World, installed};

/// How many objects a storm has.
const STORM: u16 = 1000;
/// How many write at a time.
const WRITERS: u16 = 4;
/// For so long the daemon collects changes in a storm.
const COLLECTED: Duration = Duration::from_millis(10);
/// How often a pod's readiness changes.
const TURNS: u8 = 50;
/// The last pod comes, gets an address and is found on the node.
const LAST: u64 = 3;

#[test]
fn a_thousand_pods_come_change_and_go_in_few_compiles_and_nothing_is_lifted() {
    let world = World::new(&PLANE, "churn");
    let [db, api, web] = ["db", "api", "web"].map(|name| world.pod(name));
    let _server = serve(&db, 80);
    let to = db.v4().unwrap();
    world.put(&ingress("db", "db", &json!([{"from": [app("api")]}])));
    world.wait_for_policy("db", true);
    let far = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "far"}});
    world.objects.put(&far).unwrap();
    let before = world.status().work;
    let begin = Instant::now();
    thread::scope(|scope| {
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| scope.spawn(move || storm(writer)))
            .collect();
        while writers.iter().any(|writer| !writer.is_finished()) {
            connects(&web, to, 80, false);
            connects(&api, to, 80, true);
        }
    });
    // Once more to the end of the storm, so that all of it has been taken.
    world.put(&ingress("end", "db", &json!([{"from": [app("api")]}])));
    world.wait_for_policy("end", true);
    let after = world.status().work;
    let time = begin.elapsed();
    let changes = after.changes - before.changes;
    let compiles = after.compiles - before.compiles;
    println!("churn: {changes} changes, {compiles} compiles in {time:?}");
    assert!(changes >= u64::from(STORM), "{changes} changes");
    // However fast they come.
    let most = time.as_millis() / COLLECTED.as_millis() + 10;
    assert!(
        u128::from(compiles) <= most,
        "{compiles} of {most} compiles"
    );
    connects(&web, to, 80, false);
    connects(&api, to, 80, true);
}

/// A writer's part of the pods: each comes, gets an address, stops being allowed, and goes.
fn storm(writer: u16) {
    let objects = PLANE.objects().unwrap();
    let numbers = || (writer..STORM).step_by(WRITERS.into());
    let pod = |number: u16, app: &str| {
        json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {
                "name": format!("storm-{number}"), "namespace": "churn",
                "labels": {"app": app},
            },
            "spec": {
                "nodeName": "far",
                "containers": [{"name": "main", "image": "main"}],
            },
        })
    };
    for number in numbers() {
        let mut pod = pod(number, "api");
        objects.put(&pod).unwrap();
        let [high, low] = number.to_be_bytes();
        let ip = Ipv4Addr::new(10, 250, high, low);
        pod.as_object_mut().unwrap().remove("spec");
        pod["status"] = json!({"phase": "Running", "podIP": ip, "podIPs": [{"ip": ip}]});
        objects.put_status(&pod).unwrap();
    }
    for number in numbers() {
        objects.put(&pod(number, "other")).unwrap();
    }
    for number in numbers() {
        objects.remove(&pod(number, "other")).unwrap();
    }
}

#[test]
fn what_policies_cannot_see_of_pods_compiles_nothing() {
    // A cluster of its own: other tests' pods would be seen.
    let plane = installed(&Options::default());
    let world = World::new(&plane, "unseen");
    let db = world.pod("db");
    world.put(&ingress("db", "db", &json!([])));
    world.wait_for_policy("db", true);
    let before = world.status().work;
    for turn in 0..TURNS {
        let state = ["True", "False"][usize::from(turn % 2)];
        let condition = json!({"type": "Ready", "status": state, "reason": format!("Turn{turn}")});
        let pod = json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": "db", "namespace": "unseen"},
            "status": {
                "phase": "Running", "podIP": db.v4(), "podIPs": [{"ip": db.v4()}],
                "conditions": [condition],
            },
        });
        world.objects.put_status(&pod).unwrap();
    }
    // What comes behind all that on the same watch is seen.
    let _last = world.pod("last");
    eventually("the last pod is enforced", || {
        let status = world.status();
        status.in_force && status.endpoints.len() == 2
    });
    let compiles = world.status().work.compiles - before.compiles;
    println!("unseen: {TURNS} statuses and a new pod, {compiles} compiles");
    assert!(compiles <= LAST, "{compiles} compiles");
}
