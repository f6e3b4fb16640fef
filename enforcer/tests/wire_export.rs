//! Denials of the real daemon as lines for collectors of logs. Needs root and a built BPF object.

#![expect(clippy::unwrap_used, reason = "a test ends at its first surprise")]

#[path = "common/mod.rs"]
#[allow(dead_code, reason = "each test file uses some of the helpers")]
mod common;
#[path = "wire_flows/shop.rs"]
#[allow(dead_code, reason = "each test file uses some of the helpers")]
mod shop;

use std::fs;

use common::{LONG, connects, eventually};
use serde_json::Value;
use shop::Shop;

const DENIED: [&str; 4] = ["--verdict", "denied", "--output", "json"];

#[test]
fn denials_are_in_the_file_as_flows_prints_them_and_nothing_else_is() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("denials.json");
    let shop = Shop::open(&format!("--export-denials {}", path.display()));
    shop.traffic();
    let text = || fs::read_to_string(&path).unwrap_or_default();
    eventually("the file has all denials", || text() == shop.text(&DENIED));
    assert!(text().lines().count() >= 3, "{}", text());

    // A file that somebody moved away is begun anew.
    let moved = home.path().join("moved.json");
    fs::rename(&path, &moved).unwrap();
    let before = fs::read_to_string(&moved).unwrap();
    connects(&shop.web, shop.address(), 80, false);
    eventually("there is another file", || !text().is_empty());
    eventually("the two have all denials", || {
        let moved = fs::read_to_string(&moved).unwrap();
        moved.starts_with(&before) && moved + &text() == shop.text(&DENIED)
    });
}

#[test]
fn a_file_that_cannot_be_written_is_told_and_filled_later_while_policies_hold() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("absent/denials.json");
    let shop = Shop::open(&format!("--export-denials {}", path.display()));
    let log = || shop.node.daemon().log();
    eventually("the daemon says so", || {
        log().contains("records cannot be exported")
    });
    assert!(log().contains("absent/denials.json"), "{}", log());
    shop.traffic();
    fs::create_dir(path.parent().unwrap()).unwrap();
    eventually("the file has all denials", || {
        fs::read_to_string(&path).is_ok_and(|text| text == shop.text(&DENIED))
    });
}

#[test]
fn open_telemetry_gets_what_the_filter_means_on_stdout() {
    let mut shop =
        Shop::open("--export-denials stdout --export-format otlp-json --export-filter port=81");
    shop.traffic();
    let lines = || -> Vec<Value> {
        let log = shop.node.daemon().log();
        let lines = log
            .lines()
            .filter(|line| line.starts_with("{\"resourceLogs\""));
        lines
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    };
    let wanted = || shop.records(&["--port", "81", "--verdict", "denied"]).len();
    eventually("every denial is a line", || lines().len() == wanted());
    let told = lines();
    assert!(!told.is_empty());
    for line in told {
        let log = &line["resourceLogs"][0]["scopeLogs"][0]["logRecords"][0];
        let attributes = log["attributes"].as_array().unwrap();
        let said = |key: &str| {
            let mut found = attributes.iter().filter(|one| one["key"] == key);
            found.next().unwrap()["value"].clone()
        };
        assert_eq!(said("destination.port")["intValue"], "81");
        assert_eq!(said("k8s.pod.name")["stringValue"], "db");
        assert_eq!(said("source.k8s.pod.name")["stringValue"], "api");
        assert_eq!(
            said("enforcer.policies")["arrayValue"]["values"][0]["stringValue"],
            "prod/db"
        );
        assert_eq!(log["eventName"], "enforcer.flow.denied");
    }
    let daemon = shop.node.daemon.take().unwrap();
    let ended = daemon.stop(LONG).unwrap().unwrap();
    assert_eq!(ended.code(), Some(0));
}
