//! The daemon's port on loopback: whom it answers, and what. Needs root and a built BPF object.

#![expect(clippy::unwrap_used, reason = "a test ends at its first surprise")]

#[path = "common/mod.rs"]
#[allow(dead_code, reason = "each test file uses some of the helpers")]
mod common;

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};

use common::{LONG, Node};
use enforcer::api::{Request, Status};
use enforcer::trace::cut::Change;
use enforcer_cni::protocol::{Attachment, Hold, Release, Retain};
use enforcer_lab::{Families, LabError, Namespace, Shape};
use serde_json::Value;

const ADDRESS: &str = "127.0.0.1:9871";
const FLAG: &str = "--api-listen 127.0.0.1:9871";
/// `nobody`.
const NOBODY: u32 = 65_534;

fn node() -> Node {
    let mut node = Node::new(Shape::Ptp, Families::V4);
    node.start(FLAG);
    node
}

/// The first line that a request is answered with, asked from inside a namespace as root.
fn ask(namespace: &Namespace, request: &str) -> String {
    let asked = namespace.run(|| {
        let failed = |source| LabError::Socket {
            what: ADDRESS.to_owned(),
            source,
        };
        let address: SocketAddr = ADDRESS.parse().unwrap();
        let mut stream = TcpStream::connect_timeout(&address, LONG).map_err(failed)?;
        writeln!(stream, "{request}").map_err(failed)?;
        let mut line = String::new();
        let read = BufReader::new(stream).read_line(&mut line);
        read.map_err(failed)?;
        Ok(line)
    });
    asked.unwrap()
}

/// What only the socket answers: all that changes something, or has the daemon do work.
fn requests_that_change() -> Vec<Request> {
    let attachment = Attachment {
        container: "a".to_owned(),
        ifname: "eth0".to_owned(),
    };
    let hold = Hold {
        attachment: attachment.clone(),
        network: "pods".to_owned(),
        namespace: "default".to_owned(),
        pod: "db".to_owned(),
        uid: None,
        netns: "/run/netns/db".into(),
        device: 4,
        inode: 5,
        addresses: Vec::new(),
        wait: 1,
    };
    let release = Release {
        attachment: attachment.clone(),
    };
    let retain = Retain {
        network: "pods".to_owned(),
        attachments: vec![attachment],
    };
    vec![
        Request::Status { refresh: true },
        Request::Cut(Change::default()),
        Request::Hold(hold),
        Request::Release(release),
        Request::Retain(retain),
    ]
}

#[test]
fn root_of_the_node_is_told_state_and_records_and_can_change_nothing() {
    let node = node();
    let namespace = &*node.lab.node;
    let status: Status = serde_json::from_str(&ask(namespace, r#"{"verb":"status"}"#)).unwrap();
    assert!(status.in_force);
    let summary: Value = serde_json::from_str(&ask(namespace, r#"{"verb":"summary"}"#)).unwrap();
    assert_eq!(summary["in_force"], true);
    assert_eq!(
        ask(namespace, r#"{"verb":"flows","version":2,"query":{}}"#),
        ""
    );
    for request in requests_that_change() {
        let request = serde_json::to_string(&request).unwrap();
        let answer = ask(namespace, &request);
        assert!(
            answer.contains("answers what only reads"),
            "{request}: {answer}"
        );
    }
    // And no request of another protocol.
    let answer = ask(namespace, "GET / HTTP/1.1\r");
    assert!(answer.starts_with(r#"{"error":"#), "{answer}");
}

#[test]
fn another_user_of_the_node_is_refused_in_words_and_counted() {
    let node = node();
    let script = format!(
        "exec 3<>/dev/tcp/{}; echo '{{\"verb\":\"status\"}}' >&3; cat <&3",
        ADDRESS.replace(':', "/")
    );
    let mut command = Command::new("bash");
    command.args(["-c", &script]).uid(NOBODY).gid(NOBODY);
    command.stdout(Stdio::piped());
    let child = node.lab.node.spawn(&mut command).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("answers root alone"), "{said}");
    assert!(said.contains("you are user 65534"), "{said}");
    assert!(!said.contains("in_force"), "{said}");
    assert_eq!(node.status().refused_clients, 1);
    let screen = String::from_utf8(node.verb(&["status"]).stdout).unwrap();
    assert!(screen.contains("1 connections to the API's port were refused"));
}

#[test]
fn it_listens_nowhere_but_on_loopback_and_only_when_told_to() {
    let node = Node::new(Shape::Ptp, Families::V4);
    for address in ["0.0.0.0:9871", "192.0.2.1:9871", "[::]:9871"] {
        let mut command = Command::new(common::PROGRAM);
        command.args(["run", "--manifests", "/", "--api-listen", address]);
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains("no loopback address"), "{said}");
    }
    let mut node = node;
    node.start("");
    let connected = node.lab.node.run(|| {
        let address: SocketAddr = ADDRESS.parse().unwrap();
        Ok(TcpStream::connect_timeout(&address, LONG).map_err(|error| error.kind()))
    });
    assert_eq!(
        connected.unwrap().err(),
        Some(std::io::ErrorKind::ConnectionRefused)
    );
}
