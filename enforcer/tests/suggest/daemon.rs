//! Asking a daemon over its socket: what is asked, and what is made of the answers.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::thread;

use enforcer::api::Status;
use enforcer::screen::Summary;
use serde_json::{Value, json};

use crate::command::{Folder, suggest, trace};
use crate::records::{OPENED, SHOP, api, outside, record, web_a};

/// Answers so many requests, as a daemon does; gives back what it was asked.
struct Daemon {
    _folder: tempfile::TempDir,
    path: PathBuf,
    thread: thread::JoinHandle<Vec<Value>>,
}

impl Daemon {
    fn start(requests: usize, answer: impl Fn(&Value, &mut UnixStream) + Send + 'static) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let listener = UnixListener::bind(&path).unwrap();
        let thread = thread::spawn(move || {
            let asked = (0..requests).map(|_| {
                let (mut stream, _) = listener.accept().unwrap();
                let mut request = String::new();
                let mut reader = BufReader::new(stream.try_clone().unwrap());
                reader.read_line(&mut request).unwrap();
                let request: Value = serde_json::from_str(&request).unwrap();
                answer(&request, &mut stream);
                request
            });
            asked.collect()
        });
        Self {
            _folder: folder,
            path,
            thread,
        }
    }

    fn asked(self) -> Vec<Value> {
        self.thread.join().unwrap()
    }
}

/// Has these records, and lost some.
fn keeper(records: Vec<Value>) -> impl Fn(&Value, &mut UnixStream) + Send + 'static {
    move |request, stream| match request["verb"].as_str().unwrap() {
        "flows" => {
            writeln!(stream, "{}", json!({"missed": 3})).unwrap();
            for record in &records {
                writeln!(stream, "{record}").unwrap();
            }
        }
        "summary" => {
            let mut status = Status {
                events_suppressed: [("allowed".to_owned(), 7), ("denied".to_owned(), 9)].into(),
                ..Status::default()
            };
            (status.flows.kept, status.flows.seen) = (2, 13);
            status.flows.begin = Some("2026-11-21T08:00:30Z".parse().unwrap());
            let summary = Summary::of(&status);
            writeln!(stream, "{}", serde_json::to_string(&summary).unwrap()).unwrap();
        }
        other => panic!("nobody asks for {other}"),
    }
}

fn records() -> Vec<Value> {
    let (web, api, out) = (web_a(), api(), outside("203.0.113.7"));
    vec![
        record(1, OPENED, "ingress", (&web, &api), ("TCP", 3306)),
        record(2, OPENED, "egress", (&web, &out), ("TCP", 443)),
    ]
}

#[test]
fn with_manifests_the_daemon_is_asked_for_records_and_what_it_lost_is_said() {
    let daemon = Daemon::start(2, keeper(records()));
    let folder = Folder::new(SHOP, &[]);
    let run = suggest(&format!(
        "--manifests {} --socket {}",
        folder.manifests().display(),
        daemon.path.display()
    ));
    daemon.asked();
    for line in [
        "# Suggested from 2 records, ",
        "# Lost: 11 records, older than what the daemon keeps.\n",
        "# Lost: 3 records, which the daemon no longer had when they were to be read.\n",
        "# Lost: 7 new flows, that came too fast to be reported, since the daemon runs.\n",
        "# The policies may lack what only those would have shown.\n",
        "  name: deployment-web\n",
    ] {
        assert!(run.out.contains(line), "{line}: {}", run.out);
    }
    assert!(run.err.contains("records were lost"), "{}", run.err);
    // What the daemon knows to be missing is not counted again.
    assert!(!run.out.contains("missing between"), "{}", run.out);
}

#[test]
fn what_is_older_than_what_is_asked_for_is_not_lost() {
    let folder = Folder::new(SHOP, &[]);
    let lost = |since: &str| {
        let daemon = Daemon::start(2, keeper(records()));
        let (manifests, socket) = (folder.manifests(), daemon.path.clone());
        let (manifests, socket) = (manifests.display(), socket.display());
        let run = suggest(&format!(
            "--manifests {manifests} --socket {socket} --since {since}"
        ));
        assert_eq!(daemon.asked()[0]["query"]["since"], json!(since));
        run.out.contains("older than what the daemon keeps")
    };
    assert!(!lost("2026-11-21T08:00:31Z"));
    assert!(lost("2026-11-21T08:00:29Z"));
}

#[test]
fn without_records_and_manifests_the_daemon_thinks_and_gets_what_was_asked() {
    let answer = json!({"yaml": "# nothing\n", "json": "{}", "exact": false,
        "warnings": ["not exact: labels"]});
    let daemon = Daemon::start(1, move |_, stream| writeln!(stream, "{answer}").unwrap());
    let arguments = "--namespace shop --pod web-* --label app=web,!old --direction egress \
        --include-denied --all --since 2026-11-21T08:00:00Z --allow-outside 24";
    let run = suggest(&format!("{arguments} --socket {}", daemon.path.display()));
    assert_eq!((run.code, run.out.as_str()), (3, "# nothing\n"));
    assert_eq!(run.err, "warning: not exact: labels\n");
    let expected = json!([{"verb": "suggest",
        "query": {"filter": [], "since": "2026-11-21T08:00:00Z", "follow": false},
        "options": {"filter": ["namespace=shop", "pod=default/web-*", "label=app=web,!old"],
            "direction": "egress", "include_denied": true, "all": true,
            "widths": {"v4": 24, "v6": null}}}]);
    assert_eq!(json!(daemon.asked()), expected);
}

#[test]
fn a_daemon_that_cannot_say_says_why() {
    for (said, expected) in [
        (
            "not ready: no list of pods yet",
            "refuses: not ready: no list",
        ),
        ("unknown variant `suggest`", "it is of another version"),
    ] {
        let answer = json!({"error": said});
        let daemon = Daemon::start(1, move |_, stream| writeln!(stream, "{answer}").unwrap());
        let run = suggest(&format!("--socket {}", daemon.path.display()));
        daemon.asked();
        assert_eq!((run.code, run.out.as_str()), (2, ""));
        assert!(run.err.contains(expected), "{}", run.err);
    }
}

#[test]
fn a_replay_without_a_file_sends_the_change_and_shows_the_answer() {
    let answer = json!({"text": "a table\n", "json": "{}", "differing": 1, "gone": 0,
        "unanswered": 0});
    let daemon = Daemon::start(1, move |_, stream| writeln!(stream, "{answer}").unwrap());
    let folder = Folder::new(SHOP, &[]);
    let run = trace(&format!(
        "--replay --since 2026-11-21T08:00:00Z --manifests {} --delete NetworkPolicy shop/old --socket {}",
        folder.manifests().display(),
        daemon.path.display()
    ));
    assert_eq!((run.code, run.out.as_str()), (3, "a table\n"));
    let asked = daemon.asked();
    assert_eq!(asked[0]["verb"], "replay");
    assert_eq!(asked[0]["query"]["since"], "2026-11-21T08:00:00Z");
    let change = &asked[0]["change"];
    assert_eq!(change["delete"], json!([["NetworkPolicy", "shop/old"]]));
    assert_eq!(change["files"][0][1], SHOP);
}
