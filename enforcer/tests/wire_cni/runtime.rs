//! A container runtime's part: makes network namespaces, and runs the plugins of a list.

use std::io::Write as _;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use enforcer_lab::Namespace;
use serde_json::{Value, json};

use crate::common::Node;

/// Where Debian has the plugins.
const PLUGINS: &str = "/usr/lib/cni";
/// The plugin under test.
pub(crate) const PLUGIN: &str = env!("CARGO_BIN_EXE_enforcer-cni");

/// A pod to start.
#[derive(Clone, Debug)]
pub(crate) struct Sandbox {
    pub(crate) pod: String,
    pub(crate) uid: Option<String>,
    pub(crate) container: String,
    pub(crate) netns: PathBuf,
}

impl Sandbox {
    /// Of a pod of the namespace `default`, in a network namespace.
    pub(crate) fn new(pod: &str, netns: &Namespace) -> Self {
        Self {
            pod: pod.to_owned(),
            uid: None,
            container: format!("{pod}-sandbox"),
            netns: netns.path().to_owned(),
        }
    }
}

/// A list of plugins, at one node.
#[derive(Clone, Debug)]
pub(crate) struct Runtime {
    pub(crate) version: &'static str,
    pub(crate) plugins: Vec<Value>,
    /// The program of the plugin under test.
    pub(crate) ours: PathBuf,
}

/// What `ADD` did.
#[derive(Debug)]
pub(crate) struct Added {
    pub(crate) addresses: Vec<IpAddr>,
    /// What the last plugin alone took.
    pub(crate) held: Duration,
}

impl Runtime {
    /// A plugin, with addresses from `10.88.0.2` and `fd88::2` on, and the plugin under test.
    pub(crate) fn new(node: &Node, main: Value) -> Self {
        let plugin = json!({
            "type": "enforcer-cni", "socket": node.socket(), "timeout": "20s", "onTimeout": "deny",
        });
        Self {
            version: "1.0.0",
            plugins: vec![main, plugin],
            ours: PLUGIN.into(),
        }
    }

    pub(crate) fn ptp(node: &Node) -> Self {
        Self::new(node, json!({"type": "ptp", "ipam": ipam(node)}))
    }

    pub(crate) fn bridge(node: &Node) -> Self {
        let main = json!({
            "type": "bridge", "bridge": "cni7", "isGateway": true, "hairpinMode": true,
            "ipam": ipam(node),
        });
        Self::new(node, main)
    }

    /// Runs `ADD` of all plugins in the node; the error is that of the first which fails.
    pub(crate) fn add(&self, node: &Namespace, sandbox: &Sandbox) -> Result<Added, Value> {
        let mut previous = Value::Null;
        let mut held = Duration::ZERO;
        for plugin in &self.plugins {
            let begin = Instant::now();
            let output = self.command(node, "ADD", plugin, &previous, sandbox);
            held = begin.elapsed();
            let result: Value = serde_json::from_slice(&output.stdout).unwrap();
            if !output.status.success() {
                return Err(result);
            }
            if plugin["type"] == "enforcer-cni" {
                assert_eq!(result, previous, "the result is handed on unchanged");
            }
            previous = result;
        }
        let ips = previous["ips"].as_array().unwrap();
        let ips = ips.iter().map(|ip| ip["address"].as_str().unwrap());
        Ok(Added {
            addresses: ips
                .map(|ip| ip.split('/').next().unwrap().parse().unwrap())
                .collect(),
            held,
        })
    }

    /// Runs `DEL` of all plugins, in reverse; all succeed.
    pub(crate) fn delete(&self, node: &Namespace, sandbox: &Sandbox) {
        for plugin in self.plugins.iter().rev() {
            let output = self.command(node, "DEL", plugin, &Value::Null, sandbox);
            assert!(output.status.success(), "{output:?}");
        }
    }

    /// Runs one command of one plugin.
    pub(crate) fn command(
        &self,
        node: &Namespace,
        command: &str,
        plugin: &Value,
        previous: &Value,
        sandbox: &Sandbox,
    ) -> Output {
        let mut config = plugin.clone();
        config["cniVersion"] = json!(self.version);
        config["name"] = json!("pods");
        if !previous.is_null() {
            config["prevResult"] = previous.clone();
        }
        let mut arguments = format!(
            "IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME={}",
            sandbox.pod
        );
        if let Some(uid) = &sandbox.uid {
            arguments = format!("{arguments};K8S_POD_UID={uid}");
        }
        let mut process = Command::new(self.program(plugin));
        process
            .env("CNI_COMMAND", command)
            .env("CNI_CONTAINERID", &sandbox.container)
            .env("CNI_NETNS", &sandbox.netns)
            .env("CNI_IFNAME", "eth0")
            .env("CNI_PATH", PLUGINS)
            .env("CNI_ARGS", arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = node.spawn(&mut process).unwrap();
        let mut input = child.stdin.take().unwrap();
        input.write_all(config.to_string().as_bytes()).unwrap();
        drop(input);
        child.wait_with_output().unwrap()
    }

    fn program(&self, plugin: &Value) -> PathBuf {
        let kind = plugin["type"].as_str().unwrap();
        if kind == "enforcer-cni" {
            return self.ours.clone();
        }
        let path = Path::new(PLUGINS).join(kind);
        let missing = "is missing: install containernetworking-plugins (`cargo xtask setup`)";
        assert!(path.exists(), "{} {missing}", path.display());
        path
    }
}

fn ipam(node: &Node) -> Value {
    json!({
        "type": "host-local", "dataDir": node.lab.home().join("ipam"),
        "ranges": [
            [{"subnet": "10.88.0.0/24", "gateway": "10.88.0.1"}],
            [{"subnet": "fd88::/64", "gateway": "fd88::1"}],
        ],
        "routes": [{"dst": "0.0.0.0/0"}, {"dst": "::/0"}],
    })
}
