use super::*;

fn broken() -> BrokenConnection {
    BrokenConnection {
        from: "test/friend-b".to_owned(),
        from_node: "node-2".to_owned(),
        to: "test/blue".to_owned(),
        to_node: "node-1".to_owned(),
        target: "tcp://10.0.0.1:8080".to_owned(),
        expected: Outcome::Timeout,
        seen: [(Outcome::Connected, 7)].into(),
        error: None,
        trace: "enforcer trace --from test/friend-b --to test/blue --port 8080".to_owned(),
    }
}

fn case(name: &'static str, expectations: Vec<ExpectationReport>) -> CaseReport {
    let mut case = CaseReport {
        name,
        about: "Nothing <passes> & nobody knows.",
        verdict: Verdict::Skipped,
        reason: None,
        seconds: 1.25,
        expectations,
        told: vec!["node-2 says that a is only reported (audit mode)".to_owned()],
    };
    case.judge();
    case
}

fn report() -> Report {
    let words = |text: &str| text.to_owned();
    let good = ExpectationReport::new(words("friends reach blue"), 4, Vec::new());
    let mut datagrams = broken();
    datagrams.target = words("udp://10.0.0.1:5353");
    let both = vec![broken(), datagrams];
    let bad = ExpectationReport::new(words("guests do not reach \"blue\""), 4, both);
    let mut skipped = case("service", Vec::new());
    skipped.verdict = Verdict::Skipped;
    skipped.reason = Some(words("no <service> answers"));
    Report {
        holds: false,
        setting: Setting {
            namespaces: [words("test"), words("test-other")],
            nodes: vec![words("node-1"), words("node-2")],
            image: words("enforcer:1"),
            families: vec!["IPv4"],
        },
        skipped: vec![words("IPv6: skipped, because pods have no such addresses")],
        cases: vec![
            case("good", vec![good.clone()]),
            case("bad", vec![good, bad]),
            skipped,
        ],
        notes: Vec::new(),
    }
}

fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
    let mut out = Vec::new();
    write(&mut out);
    String::from_utf8(out).unwrap()
}

#[test]
fn a_case_is_broken_when_one_expectation_is() {
    let verdicts: Vec<Verdict> = report().cases.iter().map(|case| case.verdict).collect();
    assert_eq!(
        verdicts,
        [Verdict::Holds, Verdict::Broken, Verdict::Skipped]
    );
}

#[test]
fn the_table_names_what_is_broken_what_was_seen_and_what_to_do() {
    let text = written(|out| write_text(&report(), Colour::Off, out).unwrap());
    for part in [
        "-a is node-1, -b is node-2",
        "Not tested: IPv6",
        "guests do not reach \"blue\"",
        "BROKEN (2 of 4 connections)",
        "friend-b on node-2 → blue on node-1: connected at tcp://10.0.0.1:8080, udp://10.0.0.1:5353",
        "expected: no answer; ask enforcer trace --from test/friend-b",
        "skipped: no <service> answers",
        "Cases: 1 hold, 1 broken, 1 skipped.",
        "--case bad --keep",
        "audit mode",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn what_is_broken_is_red_and_only_where_colours_are_wanted() {
    let text = |colour| written(|out| write_text(&report(), colour, out).unwrap());
    assert!(text(Colour::On).contains("\u{1b}[31mBROKEN\u{1b}[0m"));
    assert!(!text(Colour::Off).contains('\u{1b}'));
}

#[test]
fn junit_has_a_test_for_each_expectation_and_escapes_words() {
    let xml = written(|out| write_junit(&report(), out).unwrap());
    assert!(
        xml.contains(r#"<testsuite name="bad" tests="2" failures="1" skipped="0""#),
        "{xml}"
    );
    assert!(
        xml.contains("guests do not reach &quot;blue&quot;"),
        "{xml}"
    );
    assert!(
        xml.contains(r#"<skipped message="no &lt;service&gt; answers"/>"#),
        "{xml}"
    );
    assert!(
        xml.contains("expected no answer, was connected (7)"),
        "{xml}"
    );
    assert_eq!(xml.matches("<testcase").count(), 4);
}

#[test]
fn json_has_every_connection_that_is_broken() {
    let json = serde_json::to_value(report()).unwrap();
    assert_eq!(json["holds"], false);
    let one = &json["cases"][1]["expectations"][1]["broken"][0];
    assert_eq!(one["seen"]["connected"], 7);
    assert_eq!(one["expected"], "timeout");
}
