//! Who is let in, and who is not.

use std::path::Path;
use std::process::Command;

use crate::common::PROGRAM;
use crate::served::Served;

const NOWHERE: &str = "/nonexistent/socket";

fn served() -> Served {
    Served::start(Path::new(NOWHERE), &[])
}

/// A header's value.
fn header<'a>(head: &'a str, name: &str) -> &'a str {
    let mut lines = head.lines().filter_map(|line| line.split_once(": "));
    let found = lines.find(|(one, _)| one.eq_ignore_ascii_case(name));
    assert!(found.is_some(), "no {name} in {head}");
    found.unwrap().1
}

#[test]
fn only_a_loopback_address_is_listened_at() {
    for address in ["0.0.0.0:9872", "[::]:9872", "192.0.2.1:9872"] {
        let output = Command::new(PROGRAM)
            .args(["ui", "--listen", address])
            .output()
            .unwrap();
        let errors = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{errors}");
        assert!(
            errors.contains("not a loopback address")
                && errors.contains("ssh -L 9872:127.0.0.1:9872"),
            "{errors}"
        );
    }
    let first = served();
    let output = Command::new(PROGRAM)
        .args(["ui", "--listen", first.host()])
        .output()
        .unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{errors}");
    assert!(errors.contains("give another --listen"), "{errors}");
}

#[test]
fn the_page_is_for_everybody_here_and_what_it_asks_is_not() {
    let served = served();
    let host = format!("Host: {}", served.host());
    let origin = format!("Origin: http://{}", served.host());
    let (status, head, page) = served.ask("GET /", &[&host], "");
    assert_eq!(status, 200);
    assert!(
        page.contains("<script type=\"module\" src=\"/main.js\">"),
        "{page}"
    );
    let policy = header(&head, "content-security-policy");
    for rule in [
        "default-src 'none'",
        "script-src 'self'",
        "frame-ancestors 'none'",
    ] {
        assert!(
            policy.contains(rule) && !policy.contains("unsafe"),
            "{policy}"
        );
    }
    assert!(!head.to_lowercase().contains("access-control"), "{head}");
    assert_eq!(served.ask("GET /../Cargo.toml", &[&host], "").0, 404);
    for path in ["/api/status", "/api/overview", "/api/trace", "/api/flows"] {
        let asked =
            |first: &str, head: &[&str]| served.ask(&format!("{first} {path}"), head, "{}").0;
        assert_eq!(asked("POST", &[&host, &origin]), 401, "{path}");
        let stale = ["Cookie: enforcer_ui_80=", "Enforcer-Key: "];
        assert_eq!(
            asked("POST", &[&host, &origin, stale[0], stale[1]]),
            401,
            "{path}"
        );
        // Before anybody looks at a session: who makes a browser ask under another name, or from another page.
        assert_eq!(
            asked("POST", &["Host: rebound.example", &origin]),
            403,
            "{path}"
        );
        assert_eq!(asked("POST", &[&host]), 403, "{path}");
        assert_eq!(
            asked("POST", &[&host, "Origin: http://evil.example"]),
            403,
            "{path}"
        );
        assert_eq!(
            asked("GET", &[&host, "Origin: http://127.0.0.1:1"]),
            403,
            "{path}"
        );
    }
}

#[test]
fn a_code_opens_once_and_cookie_and_key_belong_together() {
    let mut served = served();
    let host = format!("Host: {}", served.host());
    let origin = format!("Origin: http://{}", served.host());
    let login =
        |served: &Served, code: &str| served.ask("POST /api/login", &[&host, &origin], code);
    assert_eq!(login(&served, "abcd-efgh-jkmn-pqrs-tuvw").0, 401);
    let code = served.code().to_owned();
    let (status, head, key) = login(&served, &code);
    assert_eq!(status, 200);
    let cookie = header(&head, "set-cookie");
    assert!(
        cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"),
        "{cookie}"
    );
    assert_eq!(login(&served, &code).0, 401);
    served.read_link();
    assert_eq!(login(&served, served.code()).0, 200);

    let cookie = format!("Cookie: {}", cookie.split_once(';').unwrap().0);
    let key = format!("Enforcer-Key: {key}");
    let status = |head: &[&str]| {
        let head = [&[host.as_str(), &origin], head].concat();
        served.ask("POST /api/status", &head, "")
    };
    // Let in, and then told that there is no daemon.
    let (number, _, words) = status(&[&cookie, &key]);
    assert_eq!(number, 503);
    assert!(
        words.contains(NOWHERE) && words.contains("enforcer run"),
        "{words}"
    );
    // Another server of this machine gets the cookie, but not the key.
    assert_eq!(status(&[&cookie]).0, 401);
    assert_eq!(status(&[&key]).0, 401);
    // The cookie of a session opens nothing under another name.
    let rebound = ["Host: rebound.example", &origin, &cookie, &key];
    assert_eq!(served.ask("POST /api/status", &rebound, "").0, 403);
}

#[test]
fn what_cannot_be_understood_is_refused_in_words() {
    let served = served();
    let host = format!("Host: {}", served.host());
    let origin = format!("Origin: http://{}", served.host());
    let (_, head, key) = served.ask("POST /api/login", &[&host, &origin], served.code());
    let cookie = header(&head, "set-cookie").split_once(';').unwrap().0;
    let (cookie, key) = (format!("Cookie: {cookie}"), format!("Enforcer-Key: {key}"));
    for (path, body, words) in [
        ("/api/flows", r#"{"filter": ["port=http"]}"#, "8000-8100"),
        ("/api/flows", r#"{"filter": ["colour=red"]}"#, "colour"),
        ("/api/trace", r#"{"from": "a"}"#, "missing field `to`"),
    ] {
        let first = format!("POST {path}");
        let (status, _, said) = served.ask(&first, &[&host, &origin, &cookie, &key], body);
        assert_eq!(status, 400, "{path} {body}: {said}");
        assert!(said.contains(words), "{said}");
    }
}
