//! What users see at their policies and pods.

use enforcer::report::Count;
use enforcer_cluster::ControlPlane;

use crate::world::{Teller, furnish, get, observation, pace, plane, reports, until};

/// Events of a reason about an object.
fn events(plane: &ControlPlane, namespace: &str, kind: &str, name: &str, reason: &str) -> usize {
    let list = get(plane, &["events.events.k8s.io", "-n", namespace]);
    let events = list["items"].as_array().unwrap().iter();
    let about = events.filter(|event| {
        event["regarding"]["kind"] == kind
            && event["regarding"]["name"] == name
            && event["reason"] == reason
    });
    about.count()
}

#[tokio::test]
async fn what_is_not_enforced_is_told_with_its_reason_at_report_policy_and_pod() {
    furnish(plane(), "bad", &["db"], &["bad-1"]);
    let pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: web-0, namespace: bad}\n\
               spec: {nodeName: bad-1, containers: [{name: web, image: web}]}\n";
    until("the service account of the namespace", || {
        plane().apply(pod).is_ok()
    })
    .await;
    let teller = Teller::start("bad-1", pace()).await;
    let db = |bad: &[u32]| observation(plane(), "bad", "db", 1, bad);
    teller.tell(|story| story.observed.policies.extend([db(&[])]));
    until("the report", || teller.count(Count::Written) == 1).await;
    let before = reports(plane(), "bad")[0]["status"]["since"].clone();

    teller.tell(|story| story.observed.policies.extend([db(&[0])]));
    until("the report says so", || {
        reports(plane(), "bad")[0]["status"]["state"] == "NotEnforced"
    })
    .await;
    assert_ne!(reports(plane(), "bad")[0]["status"]["since"], before);
    let table = plane().kubectl(&["get", "pe", "-n", "bad"]).unwrap();
    assert!(table.contains("10.0.0.1 is on eth0 (macvlan)"), "{table}");
    until("both Events", || teller.count(Count::Events) == 2).await;
    for (kind, name) in [("NetworkPolicy", "db"), ("Pod", "web-0")] {
        assert_eq!(events(plane(), "bad", kind, name, "NotEnforced"), 1);
    }
    // kubectl shows the Events of a pod at the pod, those of a policy with `kubectl events`.
    for words in [
        ["describe", "pod/web-0"],
        ["events", "--for=networkpolicy/db"],
    ] {
        let told = plane()
            .kubectl(&[&words[..], &["-n", "bad"]].concat())
            .unwrap();
        assert!(told.contains("NotEnforced"), "{told}");
        assert!(told.contains("it has no end on the node"), "{told}");
    }

    teller.tell(|story| story.observed.policies.extend([db(&[])]));
    until("the report says so", || {
        reports(plane(), "bad")[0]["status"]["state"] == "Enforced"
    })
    .await;
    until("both Events", || teller.count(Count::Events) == 4).await;
    for (kind, name) in [("NetworkPolicy", "db"), ("Pod", "web-0")] {
        assert_eq!(events(plane(), "bad", kind, name, "Enforced"), 1);
    }
    teller.stop().await;
}

#[tokio::test]
async fn a_policy_whose_contents_are_refused_is_told_of_though_it_is_not_in_force_anywhere() {
    furnish(plane(), "refused", &["db"], &["refused-1"]);
    let teller = Teller::start("refused-1", pace()).await;
    let (name, _) = observation(plane(), "refused", "db", 0, &[]);
    teller.tell(|story| {
        let why = "spec.ingress[0] is wrong".to_owned();
        story.observed.refused.insert(name.clone(), why);
    });
    until("the Event", || teller.count(Count::Events) == 1).await;
    assert_eq!(
        events(plane(), "refused", "NetworkPolicy", "db", "Refused"),
        1
    );
    teller.tell(|story| story.observed.refused.clear());
    until("the other Event", || teller.count(Count::Events) == 2).await;
    assert_eq!(
        events(plane(), "refused", "NetworkPolicy", "db", "Accepted"),
        1
    );
    teller.stop().await;
}
