//! What the real daemon answers over HTTP. Needs root and a built BPF object.

#![expect(clippy::unwrap_used, reason = "a test ends at its first surprise")]

#[path = "common/mod.rs"]
#[allow(dead_code, reason = "each test file uses some of the helpers")]
mod common;

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use common::{LONG, Node, app, connects, eventually, ingress, serve};
use enforcer_lab::{Families, Shape};
use serde_json::json;

/// What the node's daemon answers to a request.
fn ask(node: &Node, path: &str) -> String {
    let request = format!("GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n");
    let asked = node.lab.node.run(|| {
        let mut stream = TcpStream::connect("127.0.0.1:9870").unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        Ok(answer)
    });
    asked.unwrap()
}

#[test]
fn the_daemon_says_that_it_lives_and_is_ready_and_what_it_counts() {
    let mut node = Node::new(Shape::Ptp, Families::V4);
    let [db, api, web] = ["db", "api", "web"].map(|name| node.pod(name));
    let rules = json!([{"from": [app("api")], "ports": [{"port": 80}]}]);
    node.put(&ingress("db", "db", &rules));
    let _server = serve(&db, 80);
    node.start("--listen 127.0.0.1:9870");
    connects(&api, db.v4().unwrap(), 80, true);
    connects(&web, db.v4().unwrap(), 80, false);
    for path in ["/healthz", "/readyz"] {
        let answer = ask(&node, path);
        assert!(answer.starts_with("HTTP/1.1 200 OK"), "{path}: {answer}");
    }
    let page = ask(&node, "/metrics");
    let said = [
        "enforcer_endpoints{state=\"enforced\"} 3",
        "enforcer_endpoints{state=\"not_enforced\"} 0",
        "enforcer_policies 1",
        "enforcer_policies_not_enforced 0",
        "enforcer_source_synced 1",
        "enforcer_in_force 1",
        "enforcer_problems 0",
        "enforcer_apply_seconds_bucket{le=\"+Inf\"} 1",
    ];
    for line in said {
        assert!(
            page.lines().any(|said| said == line),
            "no {line} in:\n{page}"
        );
    }
    let denied = "enforcer_packets_total{direction=\"ingress\",reason=\"policy-denied\"} ";
    let denied = page.lines().find_map(|line| line.strip_prefix(denied));
    assert!(denied.is_some_and(|count| count != "0"), "{page}");

    // A pod that cannot be enforced is no reason to exchange the daemon.
    node.put(&json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "agent", "namespace": "default", "labels": {"app": "db"}},
        "spec": {"hostNetwork": true, "containers": []},
    }));
    let daemon = node.daemon.take().unwrap();
    daemon.wait_ready(LONG).unwrap();
    assert!(ask(&node, "/readyz").starts_with("HTTP/1.1 200 OK"));
    let ended = daemon.stop(LONG).unwrap().unwrap();
    assert_eq!(ended.code(), Some(0));
}

#[test]
fn a_daemon_whose_port_is_taken_says_so_and_ends() {
    let node = Node::new(Shape::Ptp, Families::V4);
    let taken = node
        .lab
        .node
        .run(|| Ok(std::net::TcpListener::bind("127.0.0.1:9870").unwrap()));
    let _taken = taken.unwrap();
    let daemon = node.launch("--listen 127.0.0.1:9870");
    eventually("the daemon ends", || {
        daemon.log().contains("--listen ADDR:PORT")
    });
}
