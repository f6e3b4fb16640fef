//! All daemons of a cluster, asked from outside through the API server's port-forward.
//!
//! The daemons' pods are those of the shipped `DaemonSet`, which its controller makes; nothing here
//! schedules them, so the tests bind them to nodes. The daemons themselves are the lab's, in their
//! nodes' networks.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use enforcer_cluster::Account;
use serde_json::{Value, json};

use super::common::{LONG, PROGRAM, within};
use super::judge::{judge, may};
use super::objects::{FRIENDS, pod, policy};
use super::world::{World, daemonset};

const SPACE: &str = "enforcer-system";
/// The port of the shipped `DaemonSet`.
const FLAG: &str = "--api-listen 127.0.0.1:9871";

/// Two nodes with daemons, and a third that has none.
fn fleet() -> World {
    let world = World::new(&["shop"], FLAG);
    let bare = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "node2"}});
    world.apply(&bare.to_string());
    world.kubectl("label nodes --all kubernetes.io/os=linux --overwrite");
    world.apply(&daemonset());
    let words = "get pods --namespace enforcer-system --output json";
    let mut bound = 0;
    within(LONG * 2, "the daemons' pods are made", || {
        let pods: Value = serde_json::from_str(&world.kubectl(words)).unwrap();
        for pod in pods["items"].as_array().unwrap() {
            let node = wanted_node(pod);
            if node != "node2" && pod["spec"]["nodeName"].is_null() {
                bind(&world, pod["metadata"]["name"].as_str().unwrap(), &node);
                bound += 1;
            }
        }
        bound >= 2
    });
    world
}

/// The node that the controller made a pod for.
fn wanted_node(pod: &Value) -> String {
    let terms = &pod["spec"]["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
        ["nodeSelectorTerms"];
    let node = &terms[0]["matchFields"][0]["values"][0];
    node.as_str().unwrap().to_owned()
}

/// What a scheduler does.
fn bind(world: &World, pod: &str, node: &str) {
    let binding = json!({
        "apiVersion": "v1", "kind": "Binding", "metadata": {"name": pod},
        "target": {"apiVersion": "v1", "kind": "Node", "name": node},
    });
    let path = format!("/api/v1/namespaces/{SPACE}/pods/{pod}/binding");
    let words = ["create", "--raw", &path, "-f", "-"];
    let plane = &world.plane;
    plane
        .kubectl_with(plane.kubeconfig(), &words, &binding.to_string())
        .unwrap();
}

/// The program as it runs on somebody's desk.
fn desk(kubeconfig: &Path, words: &[&str]) -> Command {
    let mut command = Command::new(PROGRAM);
    command
        .args(words)
        .args(["--cluster", "--kubeconfig"])
        .arg(kubeconfig);
    command
}

fn run(world: &World, words: &[&str]) -> Output {
    desk(world.plane.kubeconfig(), words).output().unwrap()
}

fn text(output: &Output) -> String {
    String::from_utf8([&*output.stdout, &output.stderr].concat()).unwrap()
}

/// The nodes as JSON, by name.
fn nodes(world: &World) -> Value {
    let output = run(world, &["status", "--output", "json"]);
    let screen = serde_json::from_slice::<Value>(&output.stdout);
    assert!(screen.is_ok(), "no JSON: {}", text(&output));
    let screen = screen.unwrap();
    let nodes = screen["nodes"].as_array().unwrap().iter();
    let named = nodes.map(|row| (row["node"].as_str().unwrap().to_owned(), row.clone()));
    named.collect::<serde_json::Map<_, _>>().into()
}

/// Waits until the pods' states are known, so that their daemons can be asked.
fn wait_for_both(world: &World) {
    within(LONG, "both daemons answer", || {
        let nodes = nodes(world);
        ["node0", "node1"]
            .iter()
            .all(|name| nodes[name]["summary"]["in_force"] == true)
    });
}

#[test]
fn every_node_is_a_row_and_one_without_an_answer_is_red_and_no_failure_of_the_whole() {
    let mut world = fleet();
    wait_for_both(&world);
    let output = run(&world, &["status"]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    let screen = text(&output);
    let row = |screen: &str, node: &str| {
        let mut rows = screen.lines().filter(|line| line.starts_with(node));
        rows.next().unwrap_or_default().to_owned()
    };
    assert!(row(&screen, "node0 ").contains(" in force "), "{screen}");
    assert!(row(&screen, "node1 ").contains(" in force "), "{screen}");
    assert!(row(&screen, "node2 ").contains("NO DAEMON"), "{screen}");
    assert!(screen.contains("\n3 nodes: 2 healthy, "), "{screen}");
    let colour = text(&run(&world, &["status", "--color", "always"]));
    assert!(colour.contains("\x1b[1;31mnode2 "), "{colour}");

    world.daemons[1] = None;
    let screen = text(&run(&world, &["status"]));
    assert!(row(&screen, "node0 ").contains(" in force "), "{screen}");
    let silent = row(&screen, "node1 ");
    assert!(silent.contains("NO ANSWER"), "{screen}");
    assert!(silent.contains("port-forward"), "{screen}");
    assert!(
        screen.contains("kubectl describe pod --namespace enforcer-system enforcer-"),
        "{screen}"
    );

    world.launch(1, FLAG);
    wait_for_both(&world);
    world.kubectl("delete node node2");
    let waited = run(&world, &["status", "--wait", "--timeout", "60"]);
    assert_eq!(waited.status.code(), Some(0), "{}", text(&waited));
}

/// Records that a follower prints.
struct Follower {
    child: Child,
    lines: std::sync::mpsc::Receiver<Value>,
}

impl Follower {
    fn start(world: &World, words: &[&str]) -> Self {
        let mut command = desk(world.plane.kubeconfig(), words);
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                let _ = sender.send(serde_json::from_str(&line).unwrap());
            }
        });
        Self { child, lines }
    }

    fn next(&self) -> Value {
        self.lines.recv_timeout(LONG).unwrap()
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn records_of_all_nodes_are_one_stream_by_time_with_the_node_of_each() {
    let mut world = fleet();
    world.apply(
        &[
            policy("shop", "web", "app: web", FRIENDS),
            pod("shop", "near", "node0", "app: web"),
            pod("shop", "far", "node1", "app: web"),
            pod("shop", "foe", "node0", "app: foe"),
        ]
        .concat(),
    );
    let [near, foe] = ["near", "foe"].map(|name| world.pod(0, "shop", name));
    let far = world.pod(1, "shop", "far");
    wait_for_both(&world);
    // Follows from before anything was denied.
    let follower = Follower::start(
        &world,
        &[
            "flows",
            "--follow",
            "--output",
            "json",
            "--pod",
            "to:shop/far",
            "--verdict",
            "denied",
        ],
    );
    judge("nobody", &[may(&foe, &near, false), may(&foe, &far, false)]);
    let first = follower.next();
    assert_eq!(first["node"], "node1", "{first}");
    assert_eq!(first["source"]["pod"], "shop/foe", "{first}");

    let records = |words: &[&str]| -> Vec<Value> {
        let all = [&["flows", "--output", "json"], words].concat();
        let output = run(&world, &all);
        assert_eq!(output.status.code(), Some(1), "node2: {}", text(&output));
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains("node2: no pod"), "{said}");
        let lines = String::from_utf8(output.stdout).unwrap();
        lines
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    };
    let all = records(&["--verdict", "denied"]);
    let of = |all: &[Value], node: &str| all.iter().filter(|one| one["node"] == node).count();
    assert!(of(&all, "node0") >= 2 && of(&all, "node1") >= 2, "{all:?}");
    let time = |one: &Value| one["time"].as_str().unwrap().to_owned();
    assert!(all.is_sorted_by_key(time), "{all:?}");
    let last = records(&["--verdict", "denied", "--last", "3"]);
    assert_eq!(last, all[all.len() - 3..]);
    // A node that cannot have such records is not asked, and not missed.
    let output = run(&world, &["flows", "--node", "node1", "--output", "json"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));

    suggest_and_replay(&world);

    // A daemon that is exchanged is followed on.
    world.daemons[1] = None;
    world.launch(1, FLAG);
    world.daemons[1]
        .as_ref()
        .unwrap()
        .wait_ready(LONG * 2)
        .unwrap();
    let told = std::cell::Cell::new(0);
    within(LONG * 2, "denials are followed again", || {
        judge("still nobody", &[may(&foe, &far, false)]);
        while let Ok(record) = follower.lines.recv_timeout(Duration::from_millis(200)) {
            let number = record["sequence"].as_u64().unwrap();
            assert!(number > told.get(), "told twice: {record}");
            told.set(number);
        }
        told.get() > 0 && is_new(&world, told.get())
    });
}

/// Policies and judgements from the records of all nodes and what the API server has.
fn suggest_and_replay(world: &World) {
    let output = run(world, &["policy", "suggest"]);
    assert_eq!(output.status.code(), Some(3), "{}", text(&output));
    let yaml = text(&output);
    for line in [
        "name: pod-near\n",
        "name: pod-far\n",
        "# Note: shop/web selects pods of this workload too",
        "#   shop/foe → shop/near TCP",
        "#   shop/foe → shop/far TCP",
        "# Not exact: node node2 did not answer (no pod",
    ] {
        assert!(yaml.contains(line), "{line}: {yaml}");
    }
    assert!(!yaml.contains("without --manifests"), "{yaml}");

    let delete = ["--delete", "NetworkPolicy", "shop/web"];
    let words = [&["trace", "--replay", "--output", "json"][..], &delete].concat();
    let output = run(world, &words);
    assert_eq!(output.status.code(), Some(3), "{}", text(&output));
    let replay: Value = serde_json::from_slice(&output.stdout).unwrap();
    let summary = &replay["summary"];
    assert!(summary["newly_allowed"].as_u64().unwrap() >= 2, "{replay}");
    assert_eq!(summary["newly_denied"], 0, "{replay}");
    assert_eq!(replay["gone"], json!([]), "{replay}");
}

/// Whether a record is of the daemon that runs on node1 now.
fn is_new(world: &World, number: u64) -> bool {
    let socket = world.daemons[1].as_ref().unwrap().socket();
    let kept = enforcer::api::client::flows(socket, enforcer_flows::Query::default()).unwrap();
    let mut records = kept.filter_map(|line| match line.unwrap() {
        enforcer::api::flows::Line::Record(record) => Some(record.sequence),
        _ => None,
    });
    records.next().is_some_and(|first| number >= first)
}

/// A user with a service account, and what he may do.
fn user(world: &World, name: &str) -> Account {
    let plane = &world.plane;
    plane
        .kubectl(&["create", "serviceaccount", name, "-n", SPACE])
        .unwrap();
    let hour = Duration::from_secs(3600);
    plane
        .service_account_kubeconfig(SPACE, name, hour, &plane.url())
        .unwrap()
}

fn grant(world: &World, kind: &str, role: &str, name: &str) {
    let account = format!("{SPACE}:{name}");
    let (flag, subject) = (
        format!("--{kind}={role}"),
        format!("--serviceaccount={account}"),
    );
    let (binding, place) = if kind == "role" {
        ("rolebinding", ["-n", SPACE])
    } else {
        ("clusterrolebinding", ["-o", "name"])
    };
    let label = format!("fleet-{name}-{role}");
    let words = ["create", binding, &label, &flag, &subject];
    world.plane.kubectl(&[&words[..], &place].concat()).unwrap();
}

#[test]
fn the_shipped_observers_rights_are_enough_and_without_each_the_missing_one_is_named() {
    let world = fleet();
    wait_for_both(&world);
    let observer = user(&world, "observer");
    let ask = |words: &[&str]| {
        let output = desk(observer.kubeconfig(), words).output().unwrap();
        (output.status.code(), text(&output))
    };
    let becomes = |what: &str, words: &[&str], code: i32, said: &str| {
        within(LONG, what, || {
            let (found, all) = ask(words);
            found == Some(code) && all.contains(said)
        });
    };
    becomes("nothing", &["status"], 2, "the right to list pods");
    let role = [
        "create",
        "role",
        "lister",
        "-n",
        SPACE,
        "--verb=list",
        "--resource=pods",
    ];
    world.plane.kubectl(&role).unwrap();
    grant(&world, "role", "lister", "observer");
    becomes("pods", &["status"], 2, "the right to list nodes");
    grant(&world, "clusterrole", "enforcer-observer", "observer");
    becomes("pods and nodes", &["status"], 1, "pods/portforward");
    let (_, screen) = ask(&["status"]);
    assert!(screen.contains("The DaemonSet cannot be read"), "{screen}");
    grant(&world, "role", "enforcer-observer", "observer");
    becomes("all", &["status"], 1, "3 nodes: 2 healthy");
    let (code, all) = ask(&["flows", "--node", "node1", "--last", "1"]);
    assert_eq!(code, Some(0), "{all}");
    // And nothing else: not what would give a shell in the daemon's pod.
    let may = |verb: &str, what: &[&str]| {
        let user = format!("--as=system:serviceaccount:{SPACE}:observer");
        let words = ["auth", "can-i", "-n", SPACE, &user, verb];
        world.plane.kubectl(&[&words[..], what].concat()).is_ok()
    };
    assert!(may("create", &["pods", "--subresource=portforward"]));
    for other in ["exec", "attach", "log"] {
        let subresource = format!("--subresource={other}");
        let may_it = |verb| may(verb, &["pods", &subresource]);
        assert!(!may_it("create") && !may_it("get"), "{other}");
    }
    assert!(!may("get", &["secrets"]) && !may("get", &["pods"]));
}
