//! Records of a daemon, over its socket.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::thread;

use enforcer::api::Status;
use serde_json::{Value, json};

use crate::command::suggest;
use crate::records::{OPENED, api, outside, record, web_a};

/// Answers the two requests that a suggestion needs, as a daemon does.
fn daemon(records: Vec<Value>) -> (tempfile::TempDir, PathBuf, thread::JoinHandle<()>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    let listener = UnixListener::bind(&path).unwrap();
    let thread = thread::spawn(move || {
        for _ in 0..2 {
            let (stream, _) = listener.accept().unwrap();
            answer(stream, &records);
        }
    });
    (folder, path, thread)
}

fn answer(mut stream: UnixStream, records: &[Value]) {
    let mut request = String::new();
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    reader.read_line(&mut request).unwrap();
    let request: Value = serde_json::from_str(&request).unwrap();
    match request["verb"].as_str().unwrap() {
        "flows" => {
            writeln!(stream, "{}", json!({"missed": 3})).unwrap();
            for record in records {
                writeln!(stream, "{record}").unwrap();
            }
        }
        "status" => {
            let status = Status {
                events_suppressed: [("allowed".to_owned(), 7), ("denied".to_owned(), 9)].into(),
                ..Status::default()
            };
            writeln!(stream, "{}", serde_json::to_string(&status).unwrap()).unwrap();
        }
        other => panic!("nobody asks for {other}"),
    }
}

#[test]
fn without_a_file_the_daemon_is_asked_and_what_it_lost_is_said() {
    let (web, api, out) = (web_a(), api(), outside("203.0.113.7"));
    let records = vec![
        record(1, OPENED, "ingress", (&web, &api), ("TCP", 3306)),
        record(2, OPENED, "egress", (&web, &out), ("TCP", 443)),
    ];
    let (_folder, path, thread) = daemon(records);
    let run = suggest(&format!("--socket {}", path.display()));
    thread.join().unwrap();
    assert_eq!(run.code, 3, "{}", run.err);
    for line in [
        "# Suggested from 2 records, ",
        "# Lost: 3 records, which the daemon no longer has.\n",
        "# Lost: 7 new flows that came too fast to be reported, since the daemon runs.\n",
        "  name: deployment-web\n",
    ] {
        assert!(run.out.contains(line), "{line}: {}", run.out);
    }
}
