//! The daemon on real links: hooks, restarts, modes, and what it says. Needs root and a built BPF
//! object.

#![expect(clippy::unwrap_used, reason = "a test ends at its first surprise")]

#[path = "common/mod.rs"]
#[allow(dead_code, reason = "each test file uses some of the helpers")]
mod common;

use std::io::{BufRead, BufReader};
use std::net::UdpSocket;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use common::live::Live;
use common::{
    LONG, Node, PROGRAM, app, connects, deny_all, eventually, has_hook, ingress, pings, pod_object,
    policy, serve,
};
use enforcer_common::Reason;
use enforcer_common::abi::Direction;
use enforcer_flows::{Kind, Protocol, Record, Verdict};
use enforcer_lab::{Daemon, Families, Namespace, Pod, Server, Shape};
use serde_json::json;

/// db, which takes only api at port 80; api; web.
fn trio(node: &Node) -> ([Pod; 3], Server) {
    let pods = ["db", "api", "web"].map(|name| node.pod(name));
    let rules = json!([{"from": [app("api")], "ports": [{"port": 80}]}]);
    node.put(&ingress("db", "db", &rules));
    let server = serve(&pods[0], 80);
    (pods, server)
}

fn terminate(daemon: Daemon) {
    let ended = daemon.stop(LONG).unwrap().unwrap();
    assert_eq!(ended.code(), Some(0));
}

/// What `tc` knows at both hooks of a link.
fn filters(node: &Node, link: &str) -> String {
    ["ingress", "egress"]
        .map(|hook| {
            let arguments = format!("filter show dev {link} {hook}");
            node.lab.node.command("tc", &arguments).unwrap()
        })
        .concat()
}

fn enforces_and_cleans_up(hook: &str) {
    let mut node = Node::new(Shape::Ptp, Families::V4);
    let ([db, api, web], _server) = trio(&node);
    let address = db.v4().unwrap();
    node.start(&format!("--hook {hook} --cleanup"));
    connects(&api, address, 80, true);
    connects(&web, address, 80, false);
    let clsact = filters(&node, &db.host_link);
    assert_eq!(clsact.contains("bpf"), hook == "clsact", "{clsact}");
    assert!(node.lab.bpffs().read_dir().unwrap().next().is_some());
    terminate(node.daemon.take().unwrap());
    connects(&web, address, 80, true);
    assert!(!filters(&node, &db.host_link).contains("bpf"));
    // The kernel itself puts two iterators into every BPF file system.
    let entries = node.lab.bpffs().read_dir().unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let left: Vec<String> = names
        .filter(|name| !["progs.debug", "maps.debug"].contains(&&**name))
        .collect();
    assert!(left.is_empty(), "{left:?}");
    assert!(!node.socket().exists());
}

#[test]
fn tcx_programs_enforce_until_they_are_cleaned_up() {
    if has_hook("tcx", "tcx_programs_enforce_until_they_are_cleaned_up") {
        enforces_and_cleans_up("tcx");
    }
}

#[test]
fn clsact_programs_enforce_until_they_are_cleaned_up() {
    enforces_and_cleans_up("clsact");
}

/// Sends datagrams as fast as it may; gives how many went out when told to end.
fn hammer(from: &Namespace, to: std::net::IpAddr, end: &AtomicBool) -> u64 {
    let socket = from
        .run(|| Ok(UdpSocket::bind("0.0.0.0:0").unwrap()))
        .unwrap();
    socket.connect((to, 53)).unwrap();
    let mut sent = 0;
    while !end.load(Ordering::Relaxed) {
        sent += u64::from(socket.send(b"let me in").is_ok());
        std::thread::sleep(Duration::from_micros(300));
    }
    sent
}

/// Ends a daemon somehow and starts the next, while connections run and others are refused.
fn next_daemon_takes_over(hook: &str, end: impl Fn(Daemon)) {
    let mut node = Node::new(Shape::Ptp, Families::V4);
    let ([db, api, web], _server) = trio(&node);
    let address = db.v4().unwrap();
    let port = db
        .run(|| Ok(UdpSocket::bind((address, 53)).unwrap()))
        .unwrap();
    port.set_nonblocking(true).unwrap();
    let arguments = format!("--hook {hook}");
    node.start(&arguments);
    let lives: Vec<Live> = (0..5)
        .map(|_| Live::open("api → db", &api, address, 80))
        .collect();
    let (over, opened) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        let denied = scope.spawn(|| hammer(&web, address, &over));
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                connects(&api, address, 80, true);
                opened.fetch_add(1, Ordering::Relaxed);
            }
        });
        for _ in 0..2 {
            end(node.daemon.take().unwrap());
            // Nobody is there, and nothing changes.
            lives.iter().for_each(Live::goes_on);
            connects(&web, address, 80, false);
            node.start(&arguments);
            lives.iter().for_each(Live::goes_on);
            connects(&web, address, 80, false);
        }
        over.store(true, Ordering::Relaxed);
        assert!(denied.join().unwrap() > 1000);
    });
    assert!(opened.load(Ordering::Relaxed) > 10);
    let slipped = port.recv(&mut [0; 16]);
    assert!(slipped.is_err(), "a denied datagram came through");
    // The next daemon rules over the flows of the one before.
    node.put(&deny_all());
    node.put(&ingress("db", "db", &json!([])));
    node.settle();
    for live in &lives {
        live.is_cut_within(LONG);
    }
}

#[test]
fn after_sigterm_the_next_daemon_takes_over_without_a_gap_with_tcx() {
    if has_hook(
        "tcx",
        "after_sigterm_the_next_daemon_takes_over_without_a_gap_with_tcx",
    ) {
        next_daemon_takes_over("tcx", terminate);
    }
}

#[test]
fn after_sigkill_the_next_daemon_takes_over_without_a_gap_with_tcx() {
    if has_hook(
        "tcx",
        "after_sigkill_the_next_daemon_takes_over_without_a_gap_with_tcx",
    ) {
        next_daemon_takes_over("tcx", drop);
    }
}

#[test]
fn after_sigterm_the_next_daemon_takes_over_without_a_gap_with_clsact() {
    next_daemon_takes_over("clsact", terminate);
}

#[test]
fn after_sigkill_the_next_daemon_takes_over_without_a_gap_with_clsact() {
    next_daemon_takes_over("clsact", drop);
}

#[test]
fn audit_mode_reports_and_lets_pass() {
    let mut node = Node::new(Shape::Ptp, Families::V4);
    let ([db, _api, web], _server) = trio(&node);
    node.start("--mode audit");
    connects(&web, db.v4().unwrap(), 80, true);
    assert_eq!(node.status().mode, "audit");
    eventually("the audit is reported", || {
        flows(&node, &["--verdict", "audit"]).iter().any(|record| {
            record.reason == Reason::PolicyDenied && record.is_isolated_by("default/db")
        })
    });
    assert!(node.packets("ingress/audit-denied") > 0);
    assert!(flows(&node, &["--verdict", "denied"]).is_empty());
}

#[test]
fn the_programs_log_each_packet_when_asked_to() {
    let mut node = Node::new(Shape::Ptp, Families::V4);
    let (pods, _server) = trio(&node);
    node.start("--trace-packets");
    connects(&pods[1], pods[0].v4().unwrap(), 80, true);
    eventually("packets are in the log", || {
        node.daemon.as_ref().unwrap().log().contains("enforcer_bpf")
    });
}

#[test]
fn pending_links_pass_nothing_or_everything_as_the_operator_says() {
    let mut node = Node::new(Shape::Ptp, Families::V4);
    let db = node.pod("db");
    let unknown = node.lab.add_pod("unknown").unwrap();
    let address = unknown.v4().unwrap();
    let _server = serve(&unknown, 80);
    node.start("--pending deny");
    connects(&db, address, 80, false);
    connects(&node.lab.node, address, 80, true);
    let status = node.status();
    assert_eq!(status.pending, "deny");
    assert_eq!(
        status.pending_links,
        std::slice::from_ref(&unknown.host_link)
    );
    // Once it is known, no policy isolates it.
    let object = pod_object("unknown", &[], &unknown.addresses);
    node.put(&object);
    node.settle();
    connects(&db, address, 80, true);
    node.delete(&object);
    node.settle();
    connects(&db, address, 80, false);
    terminate(node.daemon.take().unwrap());
    node.start("--pending allow");
    connects(&db, address, 80, true);
}

/// What `flows` prints.
fn flows(node: &Node, arguments: &[&str]) -> Vec<Record> {
    let output = node.verb(&[&["flows", "--output", "json"], arguments].concat());
    assert_eq!(output.status.code(), Some(0));
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn flows_name_pods_policies_and_the_nearest_rule() {
    let mut node = Node::new(Shape::Ptp, Families::V4);
    let ([db, api, web], _server) = trio(&node);
    let address = db.v4().unwrap();
    node.start("");
    let mut follower = Command::new(PROGRAM)
        .args([
            "flows",
            "--follow",
            "--output",
            "json",
            "--verdict",
            "denied",
            "--socket",
        ])
        .arg(node.socket())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    connects(&api, address, 80, true);
    connects(&web, address, 80, false);
    pings(&web, address, false);
    let mut line = String::new();
    let mut lines = BufReader::new(follower.stdout.take().unwrap());
    lines.read_line(&mut line).unwrap();
    let denied: Record = serde_json::from_str(&line).unwrap();
    follower.kill().unwrap();
    follower.wait().unwrap();
    assert_eq!(
        (denied.kind, denied.verdict()),
        (Kind::Denied, Verdict::Denied)
    );
    assert_eq!(denied.reason, Reason::PolicyDenied);
    assert_eq!(denied.direction, Direction::Ingress);
    assert_eq!(denied.protocol, Protocol::TCP);
    assert!(denied.is_at("default/db"));
    assert!(denied.source.is_pod("default/web"));
    assert!(denied.destination.is_pod("default/db"));
    assert_eq!(denied.destination.port, Some(80));
    assert!(denied.is_isolated_by("default/db"));
    assert_eq!(denied.context.policies.len(), 1);
    let nearest = denied.context.nearest.as_ref().unwrap();
    assert_eq!(nearest.rule.policy.to_string(), "default/db");
    assert_eq!(&*nearest.rule.rule, "ingress[0]");

    eventually("the allowed connection is told", || {
        let allowed = flows(&node, &["--verdict", "allowed", "--pod", "api"]);
        allowed.iter().any(|record| {
            let rule = record.context.allowed_by.as_ref();
            rule.is_some_and(|rule| rule.policy.to_string() == "default/db")
                && record.destination.is_pod("default/db")
        })
    });
    let of_api = flows(&node, &["--pod", "default/api"]);
    assert!(
        of_api
            .iter()
            .all(|record| record.verdict() == Verdict::Allowed)
    );
    let last = flows(&node, &["--last", "1"]);
    assert_eq!(last.len(), 1);
    let text = String::from_utf8(node.verb(&["flows", "--pod", "web"]).stdout).unwrap();
    assert!(
        text.contains("DENIED") && text.contains("default/web"),
        "{text}"
    );
}

#[test]
fn status_tells_what_is_enforced_and_what_is_not() {
    let mut node = Node::new(Shape::Ptp, Families::V4);
    let nobody = node.verb(&["status"]);
    assert_eq!(nobody.status.code(), Some(2));
    let waiting = node.verb(&["status", "--wait", "--timeout", "0.2"]);
    assert_eq!(waiting.status.code(), Some(2));
    assert!(
        String::from_utf8(waiting.stderr)
            .unwrap()
            .contains("enforcer run")
    );

    let (_pods, _server) = trio(&node);
    node.put(&pod_object(
        "elsewhere",
        &[("app", "x")],
        &["10.99.0.1".parse().unwrap()],
    ));
    let mut host = pod_object("agent", &[("app", "x")], &["198.18.0.1".parse().unwrap()]);
    host["spec"]["hostNetwork"] = json!(true);
    node.put(&host);
    let all = json!({"podSelector": {"matchLabels": {"app": "x"}}, "policyTypes": ["Ingress"]});
    node.put(&policy("x", &all));
    node.start("");
    let output = node.verb(&["status", "--wait", "--output", "json"]);
    assert_eq!(output.status.code(), Some(0));
    let status: enforcer::api::Status = serde_json::from_slice(&output.stdout).unwrap();
    assert!(status.in_force && status.problems.is_empty() && status.faults.is_empty());
    let endpoint = |name: &str| status.endpoints.iter().find(|one| one.pod == name).unwrap();
    let db = endpoint("default/db");
    assert_eq!(
        (&*db.ingress, db.egress.len()),
        (&["default/db".to_owned()][..], 0)
    );
    assert_eq!(
        (&*db.links, &db.not_enforced),
        (&["veth1".to_owned()][..], &None)
    );
    let why = endpoint("default/elsewhere")
        .not_enforced
        .as_deref()
        .unwrap();
    assert!(why.contains("10.99.0.1"), "{why}");
    let policy = status
        .policies
        .iter()
        .find(|one| one.policy == "default/x")
        .unwrap();
    let missed: Vec<&str> = policy.not_enforced.keys().map(String::as_str).collect();
    assert_eq!(missed, ["default/agent", "default/elsewhere"]);
    assert!(status.maps["VERDICTS"].used > 0);
    let text = String::from_utf8(node.verb(&["status"]).stdout).unwrap();
    assert!(
        text.contains("NOT ENFORCED") && text.contains("default/agent"),
        "{text}"
    );
}

#[test]
fn a_second_daemon_at_the_same_socket_is_refused_and_harms_nothing() {
    let mut node = Node::new(Shape::Ptp, Families::V4);
    let ([db, api, web], _server) = trio(&node);
    node.start("");
    let live = Live::open("api → db", &api, db.v4().unwrap(), 80);
    let lab = &node.lab;
    let mut command = Command::new(PROGRAM);
    command.arg("run").arg("--manifests").arg(lab.manifests());
    command.arg("--netns-dir").arg(lab.netns_dir());
    command.arg("--bpffs").arg(lab.bpffs());
    command.arg("--socket").arg(node.socket());
    command.args(["--listen", "none"]);
    let second = lab.node.spawn(command.stderr(Stdio::piped())).unwrap();
    let second = second.wait_with_output().unwrap();
    assert_eq!(second.status.code(), Some(2));
    let said = String::from_utf8(second.stderr).unwrap();
    assert!(said.contains("another daemon listens there"), "{said}");
    assert!(node.status().in_force);
    live.goes_on();
    connects(&web, db.v4().unwrap(), 80, false);
}
