//! The CLI.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use enforcer_lab::Namespace;
use jiff::Timestamp;
use serde_json::Value;

/// Where `cargo xtask test` says the programs are.
const FOLDER: &str = "ENFORCER_HUBBLE";

/// A program of Hubble's.
pub(crate) fn program(name: &str) -> PathBuf {
    let Some(folder) = env::var_os(FOLDER) else {
        panic!("{FOLDER} is not set: run this by `cargo xtask test`");
    };
    let path = PathBuf::from(folder).join(name);
    assert!(path.is_file(), "no {name} at {}", path.display());
    path
}

/// One that asks a server, and reads no settings of whoever runs the test.
#[derive(Clone)]
pub(crate) struct Cli {
    home: PathBuf,
    server: Vec<String>,
}

impl Cli {
    pub(crate) fn new(home: &Path, server: &[String]) -> Self {
        Self {
            home: home.to_owned(),
            server: server.to_vec(),
        }
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(program("hubble"));
        command
            .args(arguments)
            .args(&self.server)
            .env_clear()
            .env("HOME", &self.home)
            .stdin(Stdio::null());
        command
    }

    pub(crate) fn output(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// The same inside a namespace.
    pub(crate) fn output_in(&self, namespace: &Namespace, arguments: &[&str]) -> Output {
        let run = || Ok(self.output(arguments));
        namespace.run(run).unwrap()
    }

    /// What it prints when it succeeds.
    pub(crate) fn text(&self, arguments: &[&str]) -> String {
        text(arguments, &self.output(arguments))
    }

    /// What it complains of when it fails.
    pub(crate) fn refusal(&self, arguments: &[&str]) -> String {
        let output = self.output(arguments);
        assert!(!output.status.success(), "{arguments:?}: {output:?}");
        assert_eq!(
            String::from_utf8(output.stdout).unwrap(),
            "",
            "{arguments:?}"
        );
        String::from_utf8(output.stderr).unwrap()
    }

    /// The flows that it observes.
    pub(crate) fn flows(&self, arguments: &[&str]) -> Vec<Value> {
        let text = self.text(&[&["observe", "--output=json"], arguments].concat());
        flows(&text)
    }
}

/// What a program printed that must have succeeded.
pub(crate) fn text(arguments: &[&str], output: &Output) -> String {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {errors}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// The flows of lines of JSON.
pub(crate) fn flows(text: &str) -> Vec<Value> {
    let lines = text.lines();
    lines.map(flow).collect()
}

/// The flow of a line of JSON.
pub(crate) fn flow(line: &str) -> Value {
    let answer: Value = serde_json::from_str(line).unwrap();
    let flow = answer.get("flow");
    flow.unwrap_or_else(|| panic!("no flow: {line}")).clone()
}

/// When a flow was seen.
pub(crate) fn time(flow: &Value) -> Timestamp {
    flow["time"].as_str().unwrap().parse().unwrap()
}

/// The name of a flow, as [`crate::shop`] gives it to the record that it was made of.
pub(crate) fn name(flow: &Value) -> String {
    let word = |value: &Value| {
        value
            .as_str()
            .unwrap_or_else(|| panic!("{flow}"))
            .to_owned()
    };
    let (protocol, header) = flow["l4"].as_object().unwrap().iter().next().unwrap();
    let port = &header["destination_port"];
    let protocol = match protocol.as_str() {
        "ICMPv4" => "ICMP".to_owned(),
        other => format!("{other} {port}"),
    };
    let verdict = match word(&flow["verdict"]).as_str() {
        "FORWARDED" => "allowed",
        "DROPPED" => "denied",
        "AUDIT" => "audit",
        other => panic!("{other}"),
    };
    let way = match word(&flow["traffic_direction"]).as_str() {
        "INGRESS" => "in",
        "EGRESS" => "out",
        other => panic!("{other}"),
    };
    let (from, to) = (
        &flow["source"]["pod_name"],
        &flow["destination"]["pod_name"],
    );
    format!("{} → {} {protocol} {verdict} {way}", word(from), word(to))
}
