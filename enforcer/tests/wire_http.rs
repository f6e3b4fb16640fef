//! What the real daemon answers over HTTP. Needs root, a built BPF object and the programs of
//! `cargo xtask test`.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test ends at its first surprise"
)]

#[path = "common/mod.rs"]
#[allow(dead_code, reason = "each test file uses some of the helpers")]
mod common;

#[path = "common/http.rs"]
#[allow(dead_code, reason = "each test file uses some of the helpers")]
mod http;
#[path = "common/promtool.rs"]
#[allow(dead_code, reason = "each test file uses some of the helpers")]
mod promtool;

use common::{LONG, Node, app, connects, eventually, ingress, serve};
use enforcer_lab::{Families, Shape};
use http::Answer;
use serde_json::json;

/// What the node's daemon answers to a request.
fn ask(node: &Node, path: &str, lines: &[&str]) -> Answer {
    let address = "127.0.0.1:9870".parse().unwrap();
    let asked = node.lab.node.run(|| Ok(http::ask(address, path, lines)));
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
        let answer = ask(&node, path, &[]);
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
    }
    let denied = "enforcer_packets_total{direction=\"ingress\",verdict=\"denied\",reason=\"policy-denied\"} ";
    let by_policy = "enforcer_policy_denied_packets_total{namespace=\"default\",policy=\"db\",\
        direction=\"ingress\",verdict=\"denied\"} ";
    let counts = |page: &str, series: &str| {
        let count = page.lines().find_map(|line| line.strip_prefix(series));
        count.is_some_and(|count| count != "0")
    };
    // The record of a packet comes a moment behind the packet.
    eventually("the policy's denials are counted", || {
        counts(&ask(&node, "/metrics", &[]).body, by_policy)
    });
    let page = ask(&node, "/metrics", &[]).body;
    promtool::takes_text(&page);
    promtool::takes_open_metrics(&ask(&node, "/metrics", &[http::PROMETHEUS]).body);
    let said = [
        "enforcer_endpoints{state=\"enforced\"} 3",
        "enforcer_endpoints{state=\"not_enforced\"} 0",
        "enforcer_endpoints_isolated{direction=\"ingress\"} 1",
        "enforcer_endpoints_isolated{direction=\"egress\"} 0",
        "enforcer_links{state=\"attached\"} 3",
        "enforcer_links{state=\"failed\"} 0",
        "enforcer_flow_records_total{kind=\"opened\",direction=\"ingress\"} 1",
        "enforcer_policy_allowed_connections_total{namespace=\"default\",policy=\"db\",direction=\"ingress\"} 1",
        "enforcer_packets_total{direction=\"egress\",verdict=\"denied\",reason=\"spoofed\"} 0",
        "enforcer_policies 1",
        "enforcer_policies_not_enforced 0",
        "enforcer_source_synced 1",
        "enforcer_in_force 1",
        "enforcer_problems 0",
        "enforcer_apply_seconds_bucket{le=\"+Inf\"} 1",
        "enforcer_compile_seconds_count 1",
        "enforcer_map_write_seconds_count 1",
    ];
    for line in said {
        assert!(
            page.lines().any(|said| said == line),
            "no {line} in:\n{page}"
        );
    }
    assert!(counts(&page, denied), "{page}");

    // A pod that cannot be enforced is no reason to exchange the daemon.
    node.put(&json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "agent", "namespace": "default", "labels": {"app": "db"}},
        "spec": {"hostNetwork": true, "containers": []},
    }));
    let daemon = node.daemon.take().unwrap();
    daemon.wait_ready(LONG).unwrap();
    assert_eq!(ask(&node, "/readyz", &[]).status, 200);
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
