//! A daemon that has not heard from its API server yet. Needs root and a built BPF object.

#![expect(clippy::unwrap_used, reason = "a test ends at its first surprise")]

#[path = "common/mod.rs"]
#[allow(dead_code, reason = "each test file uses some of the helpers")]
mod common;

use std::fs;

use common::live::Live;
use common::{LONG, Node, app, connects, eventually, has_hook, ingress, serve};
use enforcer::api::client;
use enforcer_lab::{Families, Pod, Server, Shape};
use serde_json::json;

/// Nobody listens there, in a namespace of its own.
const NOBODY: &str = "https://127.0.0.1:1";

/// A kubeconfig that leads to nobody.
fn kubeconfig(node: &Node) -> String {
    let config = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "x",
        "clusters": [{"name": "x", "cluster": {"server": NOBODY, "insecure-skip-tls-verify": true}}],
        "users": [{"name": "x", "user": {"token": "x"}}],
        "contexts": [{"name": "x", "context": {"cluster": "x", "user": "x"}}],
    });
    let path = node.lab.home().join("kubeconfig");
    fs::write(&path, config.to_string()).unwrap();
    format!("--kubeconfig {} --node n1", path.display())
}

/// db, which takes only api at port 80; api; web.
fn trio(node: &Node) -> ([Pod; 3], Server) {
    let pods = ["db", "api", "web"].map(|name| node.pod(name));
    let rules = json!([{"from": [app("api")], "ports": [{"port": 80}]}]);
    node.put(&ingress("db", "db", &rules));
    let server = serve(&pods[0], 80);
    (pods, server)
}

/// Starts a daemon that waits for its API server, and waits until it says so.
fn wait_in_vain(node: &mut Node, arguments: &str) {
    let arguments = format!("{} {arguments}", kubeconfig(node));
    node.daemon = Some(node.launch(&arguments));
    eventually("the daemon says what it waits for", || {
        client::status(&node.socket(), true).is_ok_and(|status| {
            let waits = |fault: &String| {
                fault.contains("waiting for the API server: pods not listed yet")
                    && fault.contains("cannot be reached")
            };
            !status.in_force && !status.synced && status.faults.iter().any(waits)
        })
    });
}

fn what_is_enforced_stays_so(hook: &str) {
    let mut node = Node::new(Shape::Ptp, Families::V4);
    let ([db, api, web], _server) = trio(&node);
    let address = db.v4().unwrap();
    let hook = format!("--hook {hook}");
    node.start(&hook);
    let live = Live::open("api → db", &api, address, 80);
    drop(node.daemon.take());
    for pending in ["allow", "deny"] {
        wait_in_vain(&mut node, &format!("{hook} --pending {pending}"));
        live.goes_on();
        connects(&api, address, 80, true);
        connects(&web, address, 80, false);
        // A look at the links, which a new one brings about, changes nothing either.
        let late = node.lab.add_pod(&format!("late-{pending}")).unwrap();
        eventually("the new link is held", || {
            node.status().pending_links.contains(&late.host_link)
        });
        let server = serve(&late, 80);
        connects(&web, late.v4().unwrap(), 80, pending == "allow");
        drop(server);
        connects(&web, address, 80, false);
        live.goes_on();
        drop(node.daemon.take());
        connects(&web, address, 80, false);
    }
    // A daemon that knows everything takes over from those that knew nothing.
    node.start(&hook);
    live.goes_on();
    connects(&web, address, 80, false);
    connects(&api, address, 80, true);
}

#[test]
fn what_an_earlier_daemon_enforces_stays_in_force_with_tcx() {
    if has_hook(
        "tcx",
        "what_an_earlier_daemon_enforces_stays_in_force_with_tcx",
    ) {
        what_is_enforced_stays_so("tcx");
    }
}

#[test]
fn what_an_earlier_daemon_enforces_stays_in_force_with_clsact() {
    what_is_enforced_stays_so("clsact");
}

#[test]
fn nothing_can_be_said_about_a_change_before_everything_is_known() {
    let mut node = Node::new(Shape::Ptp, Families::V4);
    let _pods = trio(&node);
    wait_in_vain(&mut node, "");
    let manifests = node.lab.manifests();
    let manifests = manifests.to_str().unwrap();
    let answer = node.verb(&["trace", "--cut", manifests]);
    let said = String::from_utf8_lossy(&answer.stderr).into_owned();
    assert_eq!(answer.status.code(), Some(2), "{said}");
    assert!(said.contains("not ready"), "{said}");
}

#[test]
fn a_daemon_without_a_name_or_a_kubeconfig_says_what_it_needs() {
    let node = Node::new(Shape::Ptp, Families::V4);
    let good = kubeconfig(&node);
    let path = good.split_whitespace().nth(1).unwrap();
    for (arguments, words) in [
        (format!("--kubeconfig {path}"), "--node NAME"),
        ("--kubeconfig /nowhere --node n1".to_owned(), "/nowhere"),
    ] {
        let daemon = node.launch(&arguments);
        eventually(words, || daemon.log().contains(words));
        assert_eq!(daemon.stop(LONG).unwrap().unwrap().code(), Some(2));
    }
}
