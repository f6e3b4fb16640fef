//! Reports at a real API server. Needs the programs of `cargo xtask envtest`, and root.

#![expect(clippy::unwrap_used, reason = "a test ends at its first surprise")]

mod events;
mod garbage;
mod limits;
mod world;

use enforcer::report::Count;
use enforcer_policy::rule::ObjectVersion;
use world::{Teller, furnish, get, observation, pace, plane, policy, reports, until};

#[tokio::test]
async fn kubectl_get_shows_for_each_policy_which_node_enforces_it_since_when() {
    furnish(plane(), "columns", &["db"], &["col-1", "col-2"]);
    for (node, pods) in [("col-1", 2), ("col-2", 1)] {
        let teller = Teller::start(node, pace()).await;
        teller.tell(|story| {
            let db = observation(plane(), "columns", "db", pods, &[]);
            story.observed.policies.extend([db]);
        });
        until("the report", || teller.count(Count::Written) == 1).await;
        teller.stop().await;
    }
    let table = plane().kubectl(&["get", "pe", "-n", "columns"]).unwrap();
    let lines: Vec<Vec<&str>> = table
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    let columns = ["NAME", "POLICY", "NODE", "STATE", "PODS", "SINCE", "REASON"];
    assert_eq!(lines[0], columns, "{table}");
    assert_eq!(
        lines[1][..5],
        ["db.col-1", "db", "col-1", "Enforced", "2"],
        "{table}"
    );
    assert_eq!(
        lines[2][..5],
        ["db.col-2", "db", "col-2", "Enforced", "1"],
        "{table}"
    );
    let label = "enforcer.dev/node=col-1";
    let words = ["pe", "-n", "columns", "-l", label, "--show-managed-fields"];
    let one = get(plane(), &words);
    let one = &one["items"][0];
    assert_eq!(one["status"]["observedGeneration"], 1);
    assert_eq!(one["metadata"]["managedFields"][0]["manager"], "enforcer");
}

#[tokio::test]
async fn a_daemon_that_starts_again_writes_nothing_that_is_true_already() {
    furnish(plane(), "again", &["db", "gone"], &["again-1"]);
    let db = || observation(plane(), "again", "db", 2, &[]);
    let teller = Teller::start("again-1", pace()).await;
    teller.tell(|story| {
        let gone = observation(plane(), "again", "gone", 1, &[]);
        story.observed.policies.extend([db(), gone]);
    });
    until("both reports", || teller.count(Count::Written) == 2).await;
    teller.stop().await;
    let before = reports(plane(), "again");

    let teller = Teller::start("again-1", pace()).await;
    teller.tell(|story| story.observed.policies.extend([db()]));
    until("what is not true any more goes", || {
        reports(plane(), "again").len() == 1
    })
    .await;
    assert_eq!(reports(plane(), "again")[0], before[0]);
    assert_eq!(teller.count(Count::Written), 0);
    teller.stop().await;
}

#[tokio::test]
async fn before_a_daemon_knows_its_policies_its_reports_stay_as_they_are() {
    furnish(plane(), "unsynced", &["db"], &["unsynced-1"]);
    let teller = Teller::start("unsynced-1", pace()).await;
    let db = observation(plane(), "unsynced", "db", 1, &[]);
    teller.tell(|story| story.observed.policies.extend([db]));
    until("the report", || teller.count(Count::Written) == 1).await;
    teller.stop().await;
    let teller = Teller::start("unsynced-1", pace()).await;
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    assert_eq!(reports(plane(), "unsynced").len(), 1);
    assert_eq!(teller.count(Count::Deleted), 0);
    teller.stop().await;
}

#[tokio::test]
async fn a_policy_that_is_made_anew_gets_a_new_report() {
    furnish(plane(), "anew", &["db"], &["anew-1"]);
    let teller = Teller::start("anew-1", pace()).await;
    let db = || observation(plane(), "anew", "db", 1, &[]);
    teller.tell(|story| story.observed.policies.extend([db()]));
    until("the report", || teller.count(Count::Written) == 1).await;
    let text = policy("anew", "db");
    plane().delete(&text).unwrap();
    plane().apply(&text).unwrap();
    let new = db();
    let uid = |version: &Option<ObjectVersion>| version.as_ref().unwrap().uid.to_string();
    let expected = uid(&new.1.version);
    teller.tell(|story| story.observed.policies.extend([new]));
    until("a report on the new policy", || {
        let reports = reports(plane(), "anew");
        reports.len() == 1 && reports[0]["spec"]["policy"]["uid"] == *expected
    })
    .await;
    teller.stop().await;
}
