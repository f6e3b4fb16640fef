//! The page of a daemon that has just begun: it names every metric.

use std::collections::BTreeSet;

use enforcer::api::server::Question;
use enforcer::http::numbers::Numbers;
use enforcer::http::start;
use enforcer::report::Counters;
use tokio::sync::mpsc;

use crate::http::{PROMETHEUS, ask};
use crate::promtool::{promtool, reads_open_metrics, takes_open_metrics, takes_text, words};

fn fetch(lines: &[&str]) -> String {
    let (sender, mut questions) = mpsc::channel(1);
    std::thread::spawn(move || {
        while let Some(question) = questions.blocking_recv() {
            if let Question::Numbers { answer } = question {
                drop(answer.send(Numbers::default()));
            }
        }
    });
    let http = start("127.0.0.1:0".parse().unwrap(), sender, Counters::default()).unwrap();
    ask(http.address, "/metrics", lines).body
}

/// Names of all metrics that a daemon exports, as queries have them.
pub(crate) fn exported() -> BTreeSet<String> {
    let page = fetch(&[]);
    let types = page.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    let metrics = types.map(|line| line.split_once(' ').unwrap());
    metrics
        .flat_map(|(name, kind)| match kind {
            "histogram" => ["_bucket", "_sum", "_count"]
                .map(|suffix| format!("{name}{suffix}"))
                .to_vec(),
            _ => vec![name.to_owned()],
        })
        .collect()
}

/// Names of our metrics in an expression, or in any other text.
pub(crate) fn asked_for(expression: &str) -> BTreeSet<String> {
    let words = expression.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words
        .filter(|word| word.starts_with("enforcer_") || word.starts_with("process_"))
        .map(ToOwned::to_owned)
        .collect()
}

#[test]
fn prometheus_reads_both_forms() {
    takes_text(&fetch(&[]));
    takes_open_metrics(&fetch(&[PROMETHEUS]));
}

#[test]
fn a_page_with_a_mistake_is_not_taken() {
    let wrong = "# HELP a_total A.\n# TYPE a_total gauge\na_total 1\n";
    let refused = promtool(&["check", "metrics"], wrong);
    assert!(!refused.status.success(), "{}", words(&refused));
    let home = tempfile::tempdir().unwrap();
    let cut = fetch(&[PROMETHEUS]).replace("# EOF\n", "");
    let refused = reads_open_metrics(&cut, home.path());
    assert!(!refused.status.success(), "{}", words(&refused));
    assert!(words(&refused).contains("EOF"), "{}", words(&refused));
}
