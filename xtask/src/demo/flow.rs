//! The drops as `enforcer flows --output json` reports them.

use serde_json::Value;

use super::pods::Pod;
use super::table::{self, plain};
use crate::ui::Colour;

/// A dropped packet.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Drop {
    source: End,
    destination: End,
    protocol: String,
    reason: String,
    policies: String,
}

/// One end of a flow.
#[derive(Debug, PartialEq, Eq)]
struct End {
    address: String,
    port: u64,
    pod: String,
}

/// The drops between these pods, the oldest one first.
pub(super) fn between(lines: &str, from: &Pod, to: &Pod) -> Vec<Drop> {
    let drops = lines
        .lines()
        .filter_map(|line| parse(&serde_json::from_str(line).ok()?));
    drops
        .filter(|drop| drop.source.is(from) && drop.destination.is(to))
        .collect()
}

fn parse(line: &Value) -> Option<Drop> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let end = |value: &Value| {
        Some(End {
            address: text(&value["address"])?,
            port: value["port"].as_u64()?,
            pod: text(&value["pod"])?,
        })
    };
    let policies: Vec<&str> = line["policies"]
        .as_array()?
        .iter()
        .filter_map(Value::as_str)
        .collect();
    Some(Drop {
        source: end(&line["source"])?,
        destination: end(&line["destination"])?,
        protocol: text(&line["protocol"])?,
        reason: text(&line["reason"])?,
        policies: policies.join(", "),
    })
}

/// How many packets of these records one pod sent to another, and how many records say so.
pub(super) fn packets(lines: &str, from: &Pod, to: &Pod) -> (u64, usize) {
    let records = lines.lines().filter_map(|line| {
        let record: Value = serde_json::from_str(line).ok()?;
        let is = |side: &Value, pod: &Pod| side["address"] == pod.address.to_string();
        let between = is(&record["source"], from) && is(&record["destination"], to);
        between.then(|| record["count"].as_u64().unwrap_or(1))
    });
    records.fold((0, 0), |(packets, records), count| {
        (packets + count, records + 1)
    })
}

/// How many packets these records stand for.
pub(super) fn all_packets(lines: &str) -> u64 {
    let records = lines
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    records
        .map(|record| record["count"].as_u64().unwrap_or(1))
        .sum()
}

impl End {
    /// Whether it is this pod of the namespace `default`.
    fn is(&self, pod: &Pod) -> bool {
        self.pod.rsplit('/').next() == Some(pod.name) && self.address == pod.address.to_string()
    }

    fn text(&self) -> String {
        format!("{} ({}:{})", self.pod, self.address, self.port)
    }
}

impl Drop {
    /// Whether the drop can be traced to this policy.
    pub(super) fn names(&self, policy: &str) -> bool {
        self.policies
            .split(", ")
            .any(|name| name.rsplit('/').next() == Some(policy))
    }

    /// A table of this one drop.
    pub(super) fn table(&self) -> String {
        let row = |name: &str, text: &str, colour| vec![plain(name), (text.to_owned(), colour)];
        table::draw(&[
            row("dropped", &self.protocol, Some(Colour::Bold)),
            row("from", &self.source.text(), None),
            row("to", &self.destination.text(), None),
            row("policy", &self.policies, Some(Colour::Cyan)),
            row("reason", &self.reason, Some(Colour::Red)),
        ])
    }
}

#[cfg(test)]
mod tests {
    use super::super::pods::{API, DB, WEB};
    use super::*;

    const LINE: &str = r#"{"time":"2026-11-21T07:00:00Z","verdict":"denied","reason":"policy-denied",
        "direction":"ingress","source":{"address":"10.77.0.11","port":40000,"pod":"default/web"},
        "destination":{"address":"10.77.0.13","port":3306,"pod":"default/db"},
        "protocol":"TCP","policies":["default/db-policy"]}"#;

    fn lines() -> String {
        format!(
            "{}\nno JSON\n{{\"verdict\":\"denied\"}}\n",
            LINE.replace('\n', "")
        )
    }

    #[test]
    fn a_drop_is_found_by_its_pods() {
        assert_eq!(between(&lines(), &WEB, &DB).len(), 1);
        assert!(between(&lines(), &API, &DB).is_empty());
        assert!(between(&lines(), &DB, &WEB).is_empty());
    }

    #[test]
    fn a_record_may_stand_for_many_packets() {
        let line = lines();
        let many = line.replacen("{\"time\"", "{\"count\":7,\"time\"", 1);
        assert_eq!(packets(&line, &WEB, &DB), (1, 1));
        assert_eq!(packets(&format!("{line}{many}"), &WEB, &DB), (8, 2));
        assert_eq!(packets(&line, &DB, &WEB), (0, 0));
        // Each text has a record more, of nobody.
        assert_eq!(all_packets(&format!("{line}{many}")), 10);
    }

    #[test]
    fn a_drop_names_its_policy() {
        let drop = between(&lines(), &WEB, &DB).remove(0);
        assert!(drop.names("db-policy"));
        assert!(!drop.names("policy"));
    }

    #[test]
    fn its_table_tells_pods_policy_and_reason() {
        let table = between(&lines(), &WEB, &DB)[0].table();
        for word in [
            "default/web",
            "10.77.0.13:3306",
            "default/db-policy",
            "policy-denied",
        ] {
            assert!(table.contains(word), "{table}");
        }
    }
}
