//! Reports whose policy or node is gone.

use std::time::Duration;

use enforcer::report::{Count, Pace};
use enforcer_cluster::{ControlPlane, Options};

use crate::world::{Teller, define, furnish, observation, pace, plane, policy, reports, until};

#[tokio::test]
async fn a_report_goes_with_its_policy_also_when_no_daemon_runs() {
    furnish(plane(), "collected", &["db", "web"], &["collected-1"]);
    let teller = Teller::start("collected-1", pace()).await;
    let one = |name| observation(plane(), "collected", name, 1, &[]);
    teller.tell(|story| story.observed.policies.extend([one("db"), one("web")]));
    until("the reports", || teller.count(Count::Written) == 2).await;
    teller.stop().await;
    plane().delete(&policy("collected", "db")).unwrap();
    until("the garbage collector takes it", || {
        reports(plane(), "collected").len() == 1
    })
    .await;
    assert_eq!(
        reports(plane(), "collected")[0]["spec"]["policy"]["name"],
        "web"
    );
}

/// Daemons of nodes that all see the same nodes.
async fn daemons(
    plane: &ControlPlane,
    namespace: &str,
    nodes: &[&str],
    all: &[&str],
    pace: Pace,
) -> Vec<Teller> {
    let mut tellers = Vec::new();
    for node in nodes {
        let client = plane.client().await.unwrap();
        let teller = Teller::start_with(client, node, pace);
        teller.tell(|story| {
            story.nodes = all.iter().map(|node| (*node).to_owned()).collect();
            let db = observation(plane, namespace, "db", 1, &[]);
            let web = observation(plane, namespace, "web", 1, &[]);
            story.observed.policies.extend([db, web]);
        });
        until("the reports", || teller.count(Count::Written) == 2).await;
        tellers.push(teller);
    }
    tellers
}

#[tokio::test]
async fn what_a_node_leaves_behind_is_deleted_by_one_daemon_that_nobody_chose() {
    let nodes = ["left-1", "left-2", "left-3", "left-4"];
    furnish(plane(), "left", &["db", "web"], &nodes);
    let pace = Pace {
        gone: Duration::from_secs(3),
        ..pace()
    };
    let mut tellers = daemons(plane(), "left", &nodes, &nodes, pace).await;
    assert_eq!(reports(plane(), "left").len(), 8);
    tellers.pop().unwrap().stop().await;
    // Every daemon has seen all nodes.
    tokio::time::sleep(Duration::from_secs(1)).await;
    plane().kubectl(&["delete", "node", "left-4"]).unwrap();
    for teller in &tellers {
        teller.tell(|story| story.nodes.retain(|node| node != "left-4"));
    }
    until("its reports are gone", || {
        reports(plane(), "left").len() == 6
    })
    .await;
    // The next in turn has looked too.
    tokio::time::sleep(Duration::from_secs(16)).await;
    let mut swept: Vec<u64> = tellers.iter().map(|one| one.count(Count::Swept)).collect();
    swept.sort_unstable();
    assert_eq!(swept, [0, 0, 2]);
    assert_eq!(reports(plane(), "left").len(), 6);
    for teller in tellers {
        teller.stop().await;
    }
}

#[tokio::test]
async fn a_node_that_only_seems_to_be_gone_keeps_its_reports() {
    let nodes = ["seem-1", "seem-2"];
    furnish(plane(), "seem", &["db", "web"], &nodes);
    let tellers = daemons(plane(), "seem", &nodes, &nodes, pace()).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    tellers[0].tell(|story| story.nodes.retain(|node| node != "seem-2"));
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(reports(plane(), "seem").len(), 4);
    assert_eq!(tellers[0].count(Count::Swept), 0);
    for teller in tellers {
        teller.stop().await;
    }
}

#[tokio::test]
async fn reports_of_a_node_that_nobody_saw_go_are_found_in_turn() {
    // Of its own: who sweeps everything, sweeps what other tests leave.
    let options = Options {
        controller_manager: false,
        ..Options::default()
    };
    let own = ControlPlane::start(&options).unwrap();
    define(&own);
    let nodes = ["unseen-1", "unseen-2"];
    furnish(&own, "unseen", &["db", "web"], &nodes);
    let gone = daemons(&own, "unseen", &["unseen-2"], &nodes, pace()).await;
    for teller in gone {
        teller.stop().await;
    }
    own.kubectl(&["delete", "node", "unseen-2"]).unwrap();
    let pace = Pace {
        sweep: Duration::from_secs(4),
        ..pace()
    };
    let left = daemons(&own, "unseen", &["unseen-1"], &["unseen-1"], pace).await;
    until("they are gone", || reports(&own, "unseen").len() == 2).await;
    for teller in left {
        assert_eq!(teller.count(Count::Swept), 2);
        teller.stop().await;
    }
}
