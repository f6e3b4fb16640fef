//! `enforcer trace --cut` against what a change really cuts. Needs root and a built BPF object.

#![expect(clippy::unwrap_used, reason = "a test ends at its first surprise")]

#[path = "common/mod.rs"]
#[allow(dead_code, reason = "each test file uses some of the helpers")]
mod common;

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::Duration;

use common::echo::Echo;
use common::live::Live;
use common::{Node, app, deny_all, ingress, pings, pod_object, policy, serve};
use enforcer::trace::cut::Report;
use enforcer_lab::{Families, Pod, Protocol, Server, Shape};
use serde_json::{Value, json};

/// How long a cut may take to be seen on a busy machine.
const SOON: Duration = Duration::from_secs(4);

/// Conversations between three pods, each in both families.
struct Talk {
    live: Vec<Live>,
    echoes: Vec<Echo>,
}

fn both(pod: &Pod, port: u16) -> [SocketAddr; 2] {
    [pod.v4(), pod.v6()].map(|address| SocketAddr::new(address.unwrap(), port))
}

impl Talk {
    fn open(pairs: &[(&str, &Pod, &Pod)]) -> Self {
        let mut talk = Self {
            live: Vec::new(),
            echoes: Vec::new(),
        };
        for (name, from, to) in pairs {
            for at in both(to, 80) {
                talk.live.push(Live::open(name, from, at.ip(), at.port()));
                talk.echoes.push(Echo::open(name, from, at));
            }
        }
        talk
    }

    /// Asserts that exactly those conversations are cut whose clients' addresses and ports are
    /// listed.
    fn lives_but_for(&self, listed: &BTreeSet<(String, SocketAddr)>) {
        let is = |protocol: &str, client| listed.contains(&(protocol.to_owned(), client));
        for live in &self.live {
            if is("TCP", live.client) {
                live.is_cut_within(SOON);
            } else {
                live.goes_on();
            }
        }
        for echo in &self.echoes {
            if is("UDP", echo.client) {
                echo.is_cut();
            } else {
                echo.goes_on();
            }
        }
    }
}

struct World {
    node: Node,
    db: Pod,
    api: Pod,
    web: Pod,
    _servers: Vec<Server>,
}

/// db takes api and web, and may reach both; api and web are not isolated.
fn world() -> World {
    let mut node = Node::new(Shape::Ptp, Families::Dual);
    let [db, api, web] = ["db", "api", "web"].map(|name| node.pod(name));
    let mut servers: Vec<Server> = [&db, &api, &web].map(|pod| serve(pod, 80)).into();
    for pod in [&db, &api, &web] {
        servers.push(Server::start(pod, Protocol::Udp, 80).unwrap());
    }
    node.put(&db_policy(&["api", "web"], &["api", "web"]));
    node.start("");
    World {
        node,
        db,
        api,
        web,
        _servers: servers,
    }
}

fn db_policy(from: &[&str], to: &[&str]) -> Value {
    let peers = |names: &[&str]| names.iter().map(|name| app(name)).collect::<Value>();
    let spec = json!({
        "podSelector": {"matchLabels": {"app": "db"}},
        "policyTypes": ["Ingress", "Egress"],
        "ingress": [{"from": peers(from)}], "egress": [{"to": peers(to)}],
    });
    policy("db", &spec)
}

impl World {
    fn talk(&self) -> Talk {
        let Self { db, api, web, .. } = self;
        Talk::open(&[
            ("api → db", api, db),
            ("web → db", web, db),
            ("db → api", db, api),
            ("db → web", db, web),
        ])
    }

    fn file(&self, name: &str, objects: &[&Value]) -> PathBuf {
        let path = self.node.lab.home().join(name);
        let list = json!({"apiVersion": "v1", "kind": "List", "items": objects});
        std::fs::write(&path, list.to_string()).unwrap();
        path
    }

    fn ask(&self, arguments: &[&str]) -> Output {
        self.node.verb(&[&["trace"], arguments].concat())
    }

    fn report(&self, arguments: &[&str], code: i32) -> Report {
        let output = self.ask(&[arguments, &["--output", "json"]].concat());
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{told}");
        serde_json::from_slice(&output.stdout).unwrap()
    }
}

/// The clients of the connections that a report lists.
fn listed(report: &Report) -> BTreeSet<(String, SocketAddr)> {
    let port = |port: Option<u16>| port.unwrap_or_default();
    report
        .cut
        .iter()
        .map(|cut| {
            let client = SocketAddr::new(cut.client.address, port(cut.client.port));
            (cut.protocol.clone(), client)
        })
        .collect()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn what_is_listed_is_exactly_what_a_changed_policy_cuts() {
    let world = world();
    let talk = world.talk();
    let less = db_policy(&["web"], &["api"]);
    let path = world.file("less.json", &[&less]);
    let report = world.report(&["--cut", text(&path)], 1);
    // api → db and db → web, in two families and two protocols.
    assert_eq!((report.cut.len(), report.kept), (8, 8), "{report:?}");
    world.node.put(&less);
    world.node.settle();
    talk.lives_but_for(&listed(&report));
}

#[test]
fn what_is_listed_is_exactly_what_a_lost_label_cuts() {
    let world = world();
    let talk = world.talk();
    let other = pod_object("api", &[("app", "other")], &world.api.addresses);
    let path = world.file("other.json", &[&other]);
    let report = world.report(&["--cut", text(&path)], 1);
    assert_eq!((report.cut.len(), report.kept), (8, 8), "{report:?}");
    world.node.put(&other);
    world.node.settle();
    talk.lives_but_for(&listed(&report));
}

#[test]
fn what_is_listed_is_exactly_what_a_new_isolation_of_a_peer_cuts() {
    let world = world();
    let talk = world.talk();
    // web was not isolated; its connections with db are known from db's end.
    let web = ingress("web", "web", &json!([]));
    let path = world.file("web.json", &[&web]);
    let report = world.report(&["--cut", text(&path)], 1);
    assert_eq!((report.cut.len(), report.kept), (4, 12), "{report:?}");
    assert!(report.notes.iter().any(|note| note.contains("default/web")));
    world.node.put(&web);
    world.node.settle();
    talk.lives_but_for(&listed(&report));
}

#[test]
fn what_pods_have_that_nobody_isolates_yet_is_known_from_the_kernels_table() {
    let world = world();
    for rule in [
        "add table inet test",
        "add chain inet test forward { type filter hook forward priority 0 ; }",
        "add rule inet test forward ct state established counter accept",
    ] {
        world.node.lab.node.command("nft", rule).unwrap();
    }
    let World { db, api, web, .. } = &world;
    // Neither api nor web is isolated.
    let talk = Talk::open(&[("api → web", api, web), ("web → db", web, db)]);
    let web = ingress("web", "web", &json!([{"from": [app("db")]}]));
    let path = world.file("web.json", &[&web]);
    let report = world.report(&["--cut", text(&path)], 1);
    assert_eq!((report.cut.len(), report.kept), (4, 4), "{report:?}");
    assert!(report.notes.is_empty(), "{report:?}");
    world.node.put(&web);
    world.node.settle();
    talk.lives_but_for(&listed(&report));
}

#[test]
fn a_deletion_that_allows_more_cuts_nothing_and_says_so() {
    let world = world();
    let talk = world.talk();
    let report = world.report(&["--cut", "--delete", "networkpolicy", "db"], 0);
    assert_eq!((report.cut.len(), report.kept), (0, 16), "{report:?}");
    world.node.delete(&db_policy(&[], &[]));
    world.node.settle();
    talk.lives_but_for(&listed(&report));
}

#[test]
fn a_folder_can_stand_for_all_manifests() {
    let world = world();
    let talk = world.talk();
    let folder = world.node.lab.home().join("all");
    std::fs::create_dir(&folder).unwrap();
    for entry in world.node.lab.manifests().read_dir().unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        if !name.contains("web") {
            std::fs::copy(entry.path(), folder.join(name)).unwrap();
        }
    }
    // Without its manifest web is nobody whom db allows; its own link is pending.
    let report = world.report(&["--cut", text(&folder), "--prune"], 1);
    assert_eq!((report.cut.len(), report.kept), (8, 8), "{report:?}");
    let gone = pod_object("web", &[], &world.web.addresses);
    world.node.delete(&gone);
    world.node.settle();
    talk.lives_but_for(&listed(&report));
}

#[test]
fn what_is_over_or_denied_already_is_not_listed() {
    let world = world();
    let talk = world.talk();
    pings(&world.api, world.db.v4().unwrap(), true);
    world.node.put(&db_policy(&["api"], &["api", "web"]));
    world.node.settle();
    // The connections of web are denied by now; those of db end.
    let Talk { live, echoes } = talk;
    let (stay, end): (Vec<Live>, Vec<Live>) = live
        .into_iter()
        .partition(|live| live.name.starts_with("api"));
    drop(end);
    let path = world.file("deny.json", &[&deny_all()]);
    let report = world.report(&["--cut", text(&path)], 1);
    let tcp = report.cut.iter().filter(|cut| cut.protocol == "TCP");
    let clients: BTreeSet<IpAddr> = tcp.map(|cut| cut.client.address).collect();
    let api: BTreeSet<IpAddr> = world.api.addresses.iter().copied().collect();
    assert_eq!(clients, api, "{report:?}");
    let icmp = report.cut.iter().filter(|cut| cut.protocol == "ICMP");
    assert_eq!(icmp.count(), 1, "{report:?}");
    drop((stay, echoes));
}

#[test]
fn people_are_told_who_allows_and_what_denies() {
    let world = world();
    let _live = Live::open("api → db", &world.api, world.db.v4().unwrap(), 80);
    let less = db_policy(&["web"], &["api"]);
    let path = world.file("less.json", &[&less]);
    let output = world.ask(&["--cut", text(&path)]);
    let out = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{out}");
    for words in [
        "TCP pod default/api (",
        ") → pod default/db (",
        "ingress of default/db: now allowed by default/db spec.ingress[0]",
        "then isolated by default/db",
        "nearest is default/db spec.ingress[0], but",
        "1 connection would be cut, 0 would go on",
    ] {
        assert!(out.contains(words), "{words:?} is not in\n{out}");
    }
}

#[test]
fn what_cannot_be_judged_is_an_error_that_says_what_to_do() {
    let world = world();
    let wrong = ingress("db", "db", &json!([{"ports": [{"port": 70000}]}]));
    let wrong = world.file("wrong.json", &[&wrong]);
    let empty = world.file("empty.json", &[]);
    for (arguments, words) in [
        (vec!["--cut", text(&wrong)], "the change has errors"),
        (vec!["--cut", text(&empty)], "no object that matters"),
        (vec!["--cut", "no-such-file.yaml"], "cannot be read"),
        (vec!["--cut"], "no object that matters"),
        (
            vec!["--cut", "--delete", "NetworkPolicy", "other"],
            "there is no NetworkPolicy default/other",
        ),
        (
            vec!["--cut", "--delete", "Secret", "other"],
            "no kind that matters to policies",
        ),
        (vec!["--cut", "--delete", "Node", "a/b"], "names no Node"),
    ] {
        let output = world.ask(&arguments);
        let err = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {err}");
        assert!(err.contains(words), "{arguments:?}: {err}");
    }
}
