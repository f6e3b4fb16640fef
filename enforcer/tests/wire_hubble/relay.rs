//! hubble-relay before two daemons.

use std::fs::File;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use enforcer_lab::probe::tcp_connect;
use enforcer_lab::{Cluster, Daemon, Fabric, Families, Outcome, Pod};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::authority::Authority;
use crate::cli::{Cli, flows, program, text};
use crate::common::{BRIDGE, LONG, PROGRAM, deny_all, eventually, file_name, pod_object};
use crate::tls;

/// Where relay listens, in the world outside.
const RELAY: &str = "127.0.0.1:4245";

/// Relay, which needs no more than the address of one daemon. It goes with the test.
struct Relay(Child);

impl Drop for Relay {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Two nodes, each with a pod that nothing reaches, and relay in the world outside.
struct World {
    _relay: Relay,
    daemons: Vec<Option<Daemon>>,
    pods: Vec<Pod>,
    cluster: Cluster,
    cli: Cli,
    _folder: TempDir,
}

impl World {
    /// With certificates on all ways, or with none.
    fn new(certificates: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (nodes, clients) = (Authority::new(), Authority::new());
        let files = certificates.then(|| nodes.write(Some(&clients), folder.path()));
        let cluster = Cluster::new(2, BRIDGE, Families::V4, Fabric::HostGateway).unwrap();
        let pods = objects(&cluster);
        let daemons = cluster.nodes.iter().map(|node| {
            let tls = files.as_ref().map(tls::options).unwrap_or_default();
            let arguments = format!("--node {} --hubble-listen 0.0.0.0:4244 {tls}", node.name);
            node.start(Path::new(PROGRAM), &arguments).unwrap()
        });
        let daemons: Vec<Daemon> = daemons.collect();
        for daemon in &daemons {
            daemon.wait_ready(LONG * 2).unwrap();
        }
        let relay = start(
            &cluster,
            folder.path(),
            certificates.then_some((&nodes, &clients)),
        );
        let cli = Cli::new(folder.path(), &[format!("--server={RELAY}")]);
        Self {
            _relay: relay,
            daemons: daemons.into_iter().map(Some).collect(),
            pods,
            cluster,
            cli,
            _folder: folder,
        }
    }

    /// What the CLI prints, when relay answers it.
    fn ask(&self, arguments: &[&str]) -> Option<String> {
        let output = self.cli.output_in(&self.cluster.outside, arguments);
        output.status.success().then(|| text(arguments, &output))
    }

    fn eventually_says(&self, arguments: &[&str], words: &str) {
        eventually(&format!("{arguments:?} says {words}"), || {
            self.ask(arguments).is_some_and(|said| said.contains(words))
        });
    }

    /// Nodes that told of a denied connection from outside.
    fn nodes_of_denials(&self) -> Vec<String> {
        let said = self.ask(&["observe", "--all", "--verdict=DROPPED", "--output=json"]);
        let said = said.unwrap_or_default();
        let told = said.lines().filter(|line| line.contains("\"flow\""));
        let all = flows(&told.collect::<Vec<_>>().join("\n"));
        let mut nodes: Vec<String> = all.iter().map(|flow| node_name(flow).to_owned()).collect();
        nodes.sort_unstable();
        nodes.dedup();
        nodes
    }

    fn knock(&self, pod: usize) {
        let address: IpAddr = self.pods[pod].v4().unwrap();
        let outcome = tcp_connect(
            &self.cluster.outside,
            SocketAddr::new(address, 80),
            crate::common::SHORT,
        );
        assert_eq!(outcome.unwrap(), Outcome::Timeout);
    }
}

fn node_name(flow: &Value) -> &str {
    flow["node_name"].as_str().unwrap()
}

/// Nodes, pods, and a policy that lets nothing pass.
fn objects(cluster: &Cluster) -> Vec<Pod> {
    let put = |object: &Value| {
        cluster
            .write_manifest(&file_name(object), &object.to_string())
            .unwrap();
    };
    put(&deny_all());
    let pods = cluster.nodes.iter().map(|node| {
        let addresses = node.addresses();
        let internal = addresses
            .iter()
            .map(|address| json!({"type": "InternalIP", "address": address}));
        put(
            &json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": node.name},
            "status": {"addresses": internal.collect::<Vec<_>>()}}),
        );
        let name = format!("pod-{}", node.name);
        let pod = node.add_pod(&name).unwrap();
        let mut object = pod_object(&name, &[("app", &name)], &pod.addresses);
        object["spec"]["nodeName"] = json!(node.name);
        put(&object);
        pod
    });
    pods.collect()
}

fn start(cluster: &Cluster, folder: &Path, signers: Option<(&Authority, &Authority)>) -> Relay {
    let peers = SocketAddr::new(cluster.nodes[0].addresses()[0], 4244);
    let mut relay = Command::new(program("hubble-relay"));
    relay
        .args([
            "serve",
            "--gops=false",
            "--disable-server-tls",
            "--retry-timeout=1s",
        ])
        .args([
            "--listen-address",
            RELAY,
            "--health-listen-address=127.0.0.1:4222",
        ])
        .args(["--peer-service", &peers.to_string()])
        .env_clear()
        .env("HOME", folder)
        .stdin(Stdio::null());
    let write = |name: &str, text: &str| {
        let path = folder.join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    match signers {
        None => drop(relay.arg("--disable-client-tls")),
        Some((nodes, clients)) => {
            let (certificate, key) = clients.sign("*.hubble-relay.cilium.io");
            relay
                .arg("--tls-hubble-server-ca-files")
                .arg(write("nodes.crt", &nodes.root))
                .arg("--tls-hubble-client-cert-file")
                .arg(write("relay.crt", &certificate))
                .arg("--tls-hubble-client-key-file")
                .arg(write("relay.key", &key));
        }
    }
    let log = File::create(folder.join("relay.log")).unwrap();
    relay.stdout(log.try_clone().unwrap()).stderr(log);
    Relay(cluster.outside.spawn(&mut relay).unwrap())
}

/// What relay makes of two daemons.
fn puts_two_daemons_together(certificates: bool) {
    let mut world = World::new(certificates);
    world.eventually_says(&["status"], "Connected Nodes: 2/2");
    let nodes = world.ask(&["list", "nodes"]).unwrap();
    for name in ["node0", "node1"] {
        let line = nodes.lines().find(|line| line.starts_with(name));
        assert!(
            line.is_some_and(|line| line.contains("Connected")),
            "{nodes}"
        );
    }
    world.knock(0);
    world.knock(1);
    eventually("flows of both nodes are there", || {
        world.nodes_of_denials() == ["default/node0", "default/node1"]
    });
    world.daemons[1].take().unwrap().stop(LONG).unwrap();
    world.eventually_says(&["status"], "Connected Nodes: 1/2");
    assert_eq!(world.nodes_of_denials(), ["default/node0"]);
}

#[test]
fn relay_puts_the_flows_of_two_nodes_together() {
    puts_two_daemons_together(false);
}

#[test]
fn relay_and_daemons_trust_each_other_by_certificates() {
    puts_two_daemons_together(true);
}
