//! Following, limits, other versions, mistakes.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};

use enforcer_flows::Record;

use crate::common::{LONG, PROGRAM, connects, eventually};
use crate::shop::{API_81, Shop, name};

#[test]
fn a_follower_sees_what_it_asked_for_as_it_happens_and_learns_of_the_end() {
    let mut shop = Shop::open("");
    shop.traffic();
    let mut follower = Command::new(PROGRAM)
        .args([
            "flows", "--follow", "--last", "0", "--port", "81", "--output", "json", "--socket",
        ])
        .arg(shop.node.socket())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(follower.stdout.take().unwrap()).lines();
    let before = shop.records(&["--last", "1"])[0].sequence;
    // The follower may not be there yet: what came before it does not count.
    let (sender, first) = std::sync::mpsc::channel();
    let reading = std::thread::spawn(move || {
        let line = lines.next().unwrap().unwrap();
        sender.send(line).unwrap();
        lines.count()
    });
    let line = loop {
        connects(&shop.api, shop.address(), 80, true);
        connects(&shop.api, shop.address(), 81, false);
        if let Ok(line) = first.try_recv() {
            break line;
        }
    };
    let record: Record = serde_json::from_str(&line).unwrap();
    assert_eq!(name(&record), API_81);
    assert!(record.sequence > before);
    shop.node.daemon.take().unwrap().stop(LONG).unwrap();
    reading.join().unwrap();
    let mut errors = String::new();
    follower
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut errors)
        .unwrap();
    assert_eq!(follower.wait().unwrap().code(), Some(2));
    assert!(errors.contains("the daemon ended"), "{errors}");
}

#[test]
fn a_daemon_keeps_as_many_records_as_it_is_told_and_gives_no_number_twice() {
    let mut shop = Shop::open("--flow-records 4");
    let mut numbers: Vec<u64> = Vec::new();
    for _ in 0..2 {
        for _ in 0..8 {
            connects(&shop.api, shop.address(), 80, true);
        }
        eventually("there are as many as are kept", || {
            shop.records(&["--port", "80"]).len() == 4
        });
        let records = shop.records(&[]);
        assert_eq!(records.len(), 4);
        numbers.extend(records.iter().map(|one| one.sequence));
        shop.node.daemon.take().unwrap().stop(LONG).unwrap();
        shop.node.start("--node n1 --each-denial --flow-records 4");
    }
    assert!(numbers.is_sorted_by(|one, next| one < next), "{numbers:?}");
}

#[test]
fn a_client_of_before_filters_is_refused_in_words() {
    let shop = Shop::open("");
    let mut stream = UnixStream::connect(shop.node.socket()).unwrap();
    stream
        .write_all(b"{\"verb\":\"flows\",\"follow\":true}\n")
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.contains("older than the daemon"), "{answer}");
    assert_eq!(answer.lines().count(), 1);
}

#[test]
fn mistakes_are_told_before_anybody_is_asked() {
    let nobody = |arguments: &[&str]| {
        let command = Command::new(PROGRAM)
            .args(["flows", "--socket", "/nonexistent/socket"])
            .args(arguments)
            .output();
        let output = command.unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    for (arguments, said) in [
        (&["--port", "http"][..], "8000-8100"),
        (&["--label", "app in"], "list such as (a,b)"),
        (&["--verdict", "from:denied"], "has no side"),
        (&["--since", "yesterday"], "RFC 3339"),
        (&["--reason", "maybe"], "policy-denied"),
        (&[], "no daemon answers at /nonexistent/socket"),
    ] {
        let errors = nobody(arguments);
        assert!(errors.contains(said), "{errors}");
    }
}
