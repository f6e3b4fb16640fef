//! `enforcer connectivity test` against nodes whose containers are processes: the program that was just
//! built stands for the image.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use enforcer_cluster::{ControlPlane, Programs, Scheduler};
use enforcer_lab::Cluster;
use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::ListParams;
use kube::{Api, Client, Resource};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::common::{LONG, PROGRAM, within};
use super::proxied;
use super::world::{World, proxy};

const IMAGE: &str = "enforcer:built-now";
const MAIN: &str = "enforcer-connectivity-test";
const OTHER: &str = "enforcer-connectivity-test-other";

/// Attempts follow each other quicker than in a real cluster: nothing here takes milliseconds.
const QUICK: [&str; 4] = ["--interval", "0.2", "--patience", "0.8"];

/// Two nodes that run [`IMAGE`].
struct Stage {
    _scheduler: Scheduler,
    world: World,
}

impl Stage {
    fn new() -> Self {
        let programs = Programs::from([(IMAGE.to_owned(), PathBuf::from(PROGRAM))]);
        let world = World::running(&[], "", &programs);
        Self {
            _scheduler: Scheduler::start(&world.plane).unwrap(),
            world,
        }
    }

    /// Plays as the administrator, to the end.
    fn play(&self, arguments: &str) -> Output {
        let arguments = format!("--image {IMAGE} {arguments}");
        let child = begin(self.world.plane.kubeconfig(), &arguments);
        child.wait_with_output().unwrap()
    }

    /// The same, with the exit code and the report.
    fn report(&self, arguments: &str) -> (Option<i32>, Value) {
        let output = self.play(&format!("--output json {arguments}"));
        (output.status.code(), read(&output))
    }

    /// The test's namespaces that there are.
    fn spaces(&self) -> Vec<String> {
        let all = self.world.kubectl("get namespaces -o name");
        let ours = all.lines().filter(|line| line.contains(MAIN));
        ours.map(str::to_owned).collect()
    }
}

/// Begins a test; the arguments are split at spaces.
fn begin(kubeconfig: &Path, arguments: &str) -> Child {
    let mut command = Command::new(PROGRAM);
    command
        .args(["connectivity", "test", "--kubeconfig"])
        .arg(kubeconfig)
        .args(QUICK)
        .args(arguments.split(' '))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command.spawn().unwrap()
}

fn read(output: &Output) -> Value {
    let parsed = serde_json::from_slice(&output.stdout);
    assert!(parsed.is_ok(), "{output:?}");
    parsed.unwrap()
}

/// Names of cases with this verdict.
fn cases<'a>(report: &'a Value, verdict: &str) -> Vec<&'a str> {
    let cases = report["cases"].as_array().unwrap().iter();
    let meant = cases.filter(|case| case["verdict"] == verdict);
    meant.map(|case| case["name"].as_str().unwrap()).collect()
}

/// All broken connections, as FROM → TO, each once.
fn broken(report: &Value) -> BTreeSet<String> {
    let cases = report["cases"].as_array().unwrap().iter();
    let expectations = cases.flat_map(|case| case["expectations"].as_array().unwrap());
    let broken = expectations.flat_map(|one| one["broken"].as_array().unwrap());
    let word = |one: &Value| one.as_str().unwrap().rsplit('/').next().unwrap().to_owned();
    broken
        .map(|one| format!("{} → {}", word(&one["from"]), word(&one["to"])))
        .collect()
}

/// What kube-proxy does on every node, as services of the test come.
fn be_kube_proxy(plane: &ControlPlane, cluster: &Cluster, over: &AtomicBool) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let client = runtime.block_on(plane.client()).unwrap();
    let ours = |metadata: &ObjectMeta| matches!(metadata.namespace.as_deref(), Some(MAIN | OTHER));
    let mut written = String::new();
    while !over.load(Ordering::Relaxed) {
        let mut services = runtime.block_on(all::<Service>(&client));
        services.retain(|one| ours(&one.metadata));
        let slices = runtime.block_on(all::<EndpointSlice>(&client));
        let known = proxied::services(&services, &slices, |_| false);
        let text = format!("{known:?}");
        if text != written {
            for node in &cluster.nodes {
                proxy(node, known.clone());
            }
            written = text;
        }
        thread::sleep(Duration::from_millis(200));
    }
}

async fn all<K>(client: &Client) -> Vec<K>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug,
{
    let api = Api::<K>::all(client.clone());
    api.list(&ListParams::default()).await.unwrap().items
}

/// The kubeconfig of an account that may do what docs/connectivity.md says, and nothing else.
fn documented_rights(world: &World) -> enforcer_cluster::Account {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/connectivity.md");
    let page = fs::read_to_string(page).unwrap();
    let role = page.split("```yaml\n").nth(1).unwrap();
    world.apply(role.split("```").next().unwrap());
    let account = "\
apiVersion: v1
kind: ServiceAccount
metadata: {namespace: default, name: tester}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: tester}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: enforcer-connectivity-test}
subjects: [{kind: ServiceAccount, namespace: default, name: tester}]
";
    world.apply(account);
    let plane = &world.plane;
    plane
        .service_account_kubeconfig("default", "tester", LONG * 20, &plane.url())
        .unwrap()
}

/// A `DaemonSet` from which the image is known; no node is meant.
fn daemons_of_the_image(world: &World) {
    world.apply(&format!(
        "\
apiVersion: apps/v1
kind: DaemonSet
metadata: {{namespace: enforcer-system, name: nowhere, labels: {{app.kubernetes.io/name: enforcer}}}}
spec:
  selector: {{matchLabels: {{app: nowhere}}}}
  template:
    metadata: {{labels: {{app: nowhere}}}}
    spec:
      nodeSelector: {{nowhere: \"yes\"}}
      containers: [{{name: enforcer, image: \"{IMAGE}\"}}]
"
    ));
}

#[test]
fn everything_holds_with_a_daemon_on_each_node_and_the_rights_that_are_documented() {
    let stage = Stage::new();
    let account = documented_rights(&stage.world);
    daemons_of_the_image(&stage.world);
    let over = AtomicBool::new(false);
    let output = thread::scope(|scope| {
        let (plane, cluster) = (&*stage.world.plane, &*stage.world.cluster);
        scope.spawn(|| be_kube_proxy(plane, cluster, &over));
        let child = begin(account.kubeconfig(), "--output json --timeout 60");
        let output = child.wait_with_output();
        over.store(true, Ordering::Relaxed);
        output.unwrap()
    });
    let world = &stage.world;
    world.kubectl("delete daemonset nowhere -n enforcer-system");
    let told = String::from_utf8_lossy(&output.stderr);
    println!("{told}");
    let report = read(&output);
    assert_eq!(output.status.code(), Some(0), "{report:#}");
    assert_eq!(cases(&report, "holds").len(), 15, "{told}");
    assert_eq!(report["skipped"], json!([]));
    let setting = &report["setting"];
    assert_eq!(setting["families"], json!(["IPv4", "IPv6"]));
    assert_eq!(setting["nodes"], json!(["node0", "node1"]));
    assert_eq!(setting["image"], IMAGE);
    assert!(stage.spaces().is_empty(), "{:?}", stage.spaces());
}

#[test]
fn what_a_node_does_not_enforce_is_found_where_it_is_missing() {
    let mut stage = Stage::new();
    // What leaves node1 and what comes in there is only reported; node0 does its part.
    stage.world.launch(1, "--mode audit");
    let daemon = stage.world.daemons[1].as_ref().unwrap();
    daemon.wait_ready(LONG).unwrap();
    let played = "--case deny-egress --case pod-selector --timeout 10";
    let (code, report) = stage.report(played);
    assert_eq!(code, Some(1), "{report:#}");
    assert_eq!(cases(&report, "broken"), ["deny-egress"], "{report:#}");
    assert_eq!(cases(&report, "holds"), ["pod-selector"]);
    let from_node1 = ["friend-b", "stranger-b"];
    let from_node1 = from_node1.map(|from| ["blue", "green"].map(|to| format!("{from} → {to}")));
    assert_eq!(broken(&report), from_node1.concat().into_iter().collect());

    // A daemon that is gone leaves in force what it knew: nothing about these pods.
    stage.world.daemons[0] = None;
    let played = "--case pod-selector --case deny-egress --timeout 4 --color always";
    let output = stage.play(played);
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stdout).unwrap();
    println!("{text}");
    for part in [
        "Cases: 0 hold, 2 broken, 0 skipped.",
        "\u{1b}[31mBROKEN",
        "enforcer trace --manifests cluster.yaml --from",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(stage.spaces().is_empty());
}

#[test]
fn what_fails_without_a_policy_is_told_and_the_rest_is_not_judged_by_it() {
    let stage = Stage::new();
    // No way from node to node.
    stage.world.cluster.nodes[1]
        .ip("link set uplink0 down")
        .unwrap();
    let (code, report) = stage.report("--case no-policy --case udp --timeout 4");
    assert_eq!(code, Some(1));
    assert_eq!(cases(&report, "broken"), ["no-policy"], "{report:#}");
    assert_eq!(cases(&report, "skipped"), ["udp"]);
    // Blue is on node0, green on node1.
    let across = ["friend", "stranger", "guest"];
    let across = across.map(|who| [format!("{who}-b → blue"), format!("{who}-a → green")]);
    assert_eq!(broken(&report), across.concat().into_iter().collect());
}

#[test]
fn what_a_cluster_has_not_got_is_skipped_and_what_is_kept_can_be_asked_about() {
    let stage = Stage::new();
    let world = &stage.world;
    world.kubectl("cordon node1");
    let refused = stage.play("--node node0 --node node1");
    assert_eq!(refused.status.code(), Some(2));
    let told = String::from_utf8_lossy(&refused.stderr);
    assert!(told.contains("no node node1 that takes pods"), "{told}");
    let played = "--case udp --case service --timeout 8 --keep";
    let (code, report) = stage.report(played);
    assert_eq!(code, Some(0), "{report:#}");
    assert_eq!(cases(&report, "holds"), ["udp"]);
    assert_eq!(cases(&report, "skipped"), ["service"]);
    let skipped = report["skipped"].to_string();
    let alone = "node0 is the only node that takes pods";
    assert!(skipped.contains(alone), "{skipped}");
    assert_eq!(stage.spaces().len(), 2);

    // What an earlier test has left is removed first, not used.
    let (code, _) = stage.report("--case udp --timeout 30 --keep");
    assert_eq!(code, Some(0));
    let log = world.kubectl(&format!("logs friend-a -n {MAIN} --tail 2"));
    assert_eq!(log.lines().count(), 2, "{log}");
    assert!(log.contains("\"outcome\""), "{log}");
    let kinds = "nodes,namespaces,pods,networkpolicies,services,endpointslices";
    let path = world.plane.directory().join("cluster.yaml");
    fs::write(&path, world.kubectl(&format!("get {kinds} -A -o yaml"))).unwrap();
    let traced = |port: &str, protocol: &str| {
        let from = format!("{MAIN}/friend-a");
        let to = format!("{MAIN}/blue");
        let output = Command::new(PROGRAM)
            .args(["trace", "--from", &from, "--to", &to, "--manifests"])
            .arg(&path)
            .args(["--port", port, "--protocol", protocol])
            .output();
        output.unwrap().status.code()
    };
    assert_eq!(
        [traced("8080", "TCP"), traced("5353", "UDP")],
        [Some(1), Some(0)]
    );
    world.kubectl(&format!("delete namespace {MAIN} {OTHER}"));
}

#[test]
fn namespaces_of_its_own_are_removed_after_an_interruption_and_others_never() {
    let stage = Stage::new();
    let (world, plane) = (&stage.world, &stage.world.plane);
    // The second of the two: nothing may have been made when it is found.
    world.kubectl(&format!("create namespace {OTHER}"));
    let output = stage.play("--case udp");
    assert_eq!(output.status.code(), Some(2));
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(
        told.contains(OTHER) && told.contains("nothing was changed"),
        "{told}"
    );
    assert_eq!(stage.spaces(), [format!("namespace/{OTHER}")]);
    world.kubectl(&format!("delete namespace {OTHER}"));

    let arguments = format!("--image {IMAGE} --case established");
    let mut child = begin(plane.kubeconfig(), &arguments);
    within(LONG * 2, "a client is there", || {
        assert!(child.try_wait().unwrap().is_none(), "it ended before");
        let pods = plane.kubectl(&["get", "pods", "-n", MAIN, "-o", "name"]);
        pods.is_ok_and(|pods| pods.contains("friend-a"))
    });
    kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGINT).unwrap();
    let output = child.wait_with_output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{told}");
    assert!(told.contains("interrupted"), "{told}");
    assert!(stage.spaces().is_empty(), "{:?}", stage.spaces());
}
