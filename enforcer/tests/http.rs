//! `/healthz`, `/readyz` and `/metrics`, from outside.

#![expect(clippy::unwrap_used, reason = "a test ends at its first surprise")]

use std::io::Write as _;
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use enforcer::api::server::Question;
use enforcer::http::health::Health;
use enforcer::http::numbers::Numbers;
use enforcer::http::{Http, start};
use enforcer::report::Counters;
use tokio::sync::mpsc;

#[path = "common/http.rs"]
#[allow(dead_code, reason = "each test file uses some of the helpers")]
mod http;

/// What is answered to a request: the status, the head and the body.
fn ask(address: SocketAddr, path: &str) -> (u16, String, String) {
    let answer = http::ask(address, path, &[]);
    (answer.status, answer.head, answer.body)
}

/// The server of a daemon that says this of itself.
fn daemon(health: &Arc<Mutex<Health>>) -> Http {
    let (sender, mut questions) = mpsc::channel(16);
    let health = Arc::clone(health);
    std::thread::spawn(move || {
        while let Some(question) = questions.blocking_recv() {
            match question {
                Question::Health { answer } => {
                    drop(answer.send(health.lock().unwrap().clone()));
                }
                Question::Numbers { answer } => drop(answer.send(Numbers::default())),
                _ => unreachable!("HTTP asks nothing else"),
            }
        }
    });
    start(anywhere(), sender, Counters::default()).unwrap()
}

fn anywhere() -> SocketAddr {
    "127.0.0.1:0".parse().unwrap()
}

#[test]
fn a_daemon_that_answers_lives_and_is_ready_when_everything_is_written() {
    let health = Arc::new(Mutex::new(Health::default()));
    let http = daemon(&health);
    assert_eq!(ask(http.address, "/healthz").0, 200);
    let (status, _, words) = ask(http.address, "/readyz");
    assert_eq!(status, 503);
    assert_eq!(words, "not ready: the policies have not been read yet\n");
    health.lock().unwrap().synced = true;
    assert_eq!(ask(http.address, "/readyz").0, 200);
    health.lock().unwrap().broken = Some("VERDICTS is full".to_owned());
    let (status, _, words) = ask(http.address, "/readyz");
    assert_eq!((status, words.contains("VERDICTS is full")), (503, true));
    assert_eq!(ask(http.address, "/healthz").0, 200);
    assert_eq!(ask(http.address, "/other").0, 404);
}

#[test]
fn metrics_come_in_the_form_that_is_asked_for() {
    let served = daemon(&Arc::default());
    for (lines, content_type, end) in [
        (&[][..], "text/plain; version=0.0.4", "\n"),
        (
            &[http::PROMETHEUS],
            "application/openmetrics-text; version=1.0.0",
            "\n# EOF\n",
        ),
        (
            &["Accept: text/plain", "Accept: application/openmetrics-text"],
            "application/openmetrics-text; version=1.0.0",
            "\n# EOF\n",
        ),
    ] {
        let answer = http::ask(served.address, "/metrics", lines);
        assert_eq!(answer.status, 200);
        let head = format!("content-type: {content_type}; charset=utf-8\r\n");
        assert!(answer.head.contains(&head), "{}", answer.head);
        let page = answer.body;
        assert!(page.contains("\nenforcer_source_synced 0\n"), "{page}");
        assert!(page.ends_with(end), "{page}");
    }
}

#[test]
fn a_daemon_whose_loop_is_stuck_is_told_from_one_that_lives() {
    let (sender, questions) = mpsc::channel(16);
    let http = start(anywhere(), sender, Counters::default()).unwrap();
    let (status, _, words) = ask(http.address, "/healthz");
    assert_eq!(status, 503);
    assert_eq!(words, "the daemon's loop has not answered for 10 seconds\n");
    drop(questions);
    let (status, _, words) = ask(http.address, "/healthz");
    assert_eq!((status, words.as_str()), (503, "the daemon is stopping\n"));
}

#[test]
fn a_server_ends_at_once_also_when_it_waits_for_a_stuck_daemon() {
    let (sender, _questions) = mpsc::channel(16);
    let http = start(anywhere(), sender, Counters::default()).unwrap();
    let mut waiting = TcpStream::connect(http.address).unwrap();
    waiting
        .write_all(b"GET /healthz HTTP/1.1\r\nHost: test\r\n\r\n")
        .unwrap();
    std::thread::sleep(Duration::from_millis(300));
    let begin = Instant::now();
    drop(http);
    assert!(begin.elapsed() < Duration::from_secs(5));
}

#[test]
fn a_port_in_use_is_an_error_that_says_what_to_do() {
    let http = daemon(&Arc::default());
    let (sender, _questions) = mpsc::channel(16);
    let error = start(http.address, sender, Counters::default()).unwrap_err();
    let words = error.to_string();
    assert!(words.contains(&http.address.to_string()), "{words}");
    assert!(words.contains("give another --listen ADDR:PORT"), "{words}");
}
