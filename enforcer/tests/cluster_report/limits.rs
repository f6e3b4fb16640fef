//! What reports may cost the API server, and what they do when it is not as it should be.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use enforcer::report::Count;
use enforcer_cluster::{ControlPlane, Options};

use crate::world::{Teller, define, furnish, get, observation, pace, plane, reports, until};

/// How often the reports of a namespace were written, as the API server has it.
fn versions(namespace: &str) -> BTreeMap<String, i64> {
    let list = reports(plane(), namespace).into_iter();
    list.map(|object| {
        let metadata = &object["metadata"];
        let name = metadata["name"].as_str().unwrap().to_owned();
        (name, metadata["generation"].as_i64().unwrap())
    })
    .collect()
}

#[tokio::test]
async fn a_storm_of_changes_costs_no_more_writes_than_the_limit() {
    let names: Vec<String> = (0..40).map(|number| format!("p{number}")).collect();
    let policies: Vec<&str> = names.iter().map(String::as_str).collect();
    furnish(plane(), "storm", &policies, &["storm-1"]);
    let list = get(plane(), &["networkpolicy", "-n", "storm"]);
    assert_eq!(list["items"].as_array().unwrap().len(), 40);
    let observations: Vec<_> = policies
        .iter()
        .map(|name| observation(plane(), "storm", name, 2, &[]))
        .collect();
    let teller = Teller::start("storm-1", pace()).await;
    let begin = Instant::now();
    let mut generation = 1;
    // Every policy changes twenty times a second, and each change is worth a write.
    while begin.elapsed() < Duration::from_secs(20) {
        generation += 1;
        teller.tell(|story| {
            for (name, observation) in &observations {
                let mut observation = observation.clone();
                observation.version.as_mut().unwrap().generation = generation;
                story.observed.policies.insert(name.clone(), observation);
            }
        });
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    // Asked before time is looked at, so that time is not in favour of the limit.
    let written: i64 = versions("storm").values().sum();
    let allowed = 20. + 5. * begin.elapsed().as_secs_f64();
    assert!(
        written >= 60,
        "{written} writes in 20 seconds: the limit is not reached"
    );
    #[expect(clippy::cast_precision_loss, reason = "a few hundred writes")]
    let within = written as f64 <= allowed;
    assert!(within, "{written} writes, {allowed} allowed");
    until("the last change is told of every policy", || {
        let list = reports(plane(), "storm");
        let mut told = list.iter().map(|one| &one["status"]["observedGeneration"]);
        list.len() == 40 && told.all(|told| *told == generation)
    })
    .await;
    teller.stop().await;
}

#[tokio::test]
async fn a_missing_definition_is_told_and_reports_begin_when_it_comes() {
    let options = Options {
        controller_manager: false,
        ..Options::default()
    };
    let own = ControlPlane::start(&options).unwrap();
    furnish(&own, "shop", &["db"], &["n1"]);
    let teller = Teller::start_with(own.client().await.unwrap(), "n1", pace());
    let db = observation(&own, "shop", "db", 1, &[]);
    teller.tell(|story| story.observed.policies.extend([db]));
    until("it is told", || teller.counters.trouble().is_some()).await;
    let trouble = teller.counters.trouble().unwrap();
    assert!(
        trouble.contains("install the CustomResourceDefinition"),
        "{trouble}"
    );
    define(&own);
    until("the report", || reports(&own, "shop").len() == 1).await;
    assert_eq!(teller.counters.trouble(), None);
    teller.stop().await;
}

#[tokio::test]
async fn a_missing_permission_is_told_and_reports_begin_when_it_is_granted() {
    furnish(plane(), "roles", &["db"], &["roles-1"]);
    let account = "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: it, namespace: roles}\n";
    plane().apply(account).unwrap();
    let hour = Duration::from_secs(3600);
    let account = plane()
        .service_account_kubeconfig("roles", "it", hour, &plane().url())
        .unwrap();
    let access = enforcer::kubernetes::client::Access::new(Some(account.kubeconfig().to_owned()));
    let client = enforcer::kubernetes::client::connect(&access, "roles-1")
        .await
        .unwrap();
    let teller = Teller::start_with(client, "roles-1", pace());
    let db = observation(plane(), "roles", "db", 1, &[]);
    teller.tell(|story| story.observed.policies.extend([db]));
    until("it is told", || teller.counters.trouble().is_some()).await;
    let trouble = teller.counters.trouble().unwrap();
    assert!(
        trouble.contains("not allowed") && trouble.contains("ClusterRole"),
        "{trouble}"
    );
    // Exactly what reports need.
    let role = "\
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: reports}
rules:
- {apiGroups: [enforcer.dev], resources: [policyenforcements], verbs: [list, create, patch, delete]}
- {apiGroups: [events.k8s.io], resources: [events], verbs: [create]}
- {apiGroups: [''], resources: [nodes, pods], verbs: [get]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: reports}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: reports}
subjects: [{kind: ServiceAccount, name: it, namespace: roles}]
";
    plane().apply(role).unwrap();
    until("the report", || reports(plane(), "roles").len() == 1).await;
    teller.tell(|story| story.observed.policies.clear());
    until("it goes", || reports(plane(), "roles").is_empty()).await;
    assert_eq!(teller.counters.trouble(), None);
    assert_eq!(teller.count(Count::Deleted), 1);
    teller.stop().await;
}

#[tokio::test]
async fn reports_end_at_once_when_the_api_server_hangs() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let uri = format!("http://{address}").parse().unwrap();
    let client = kube::Client::try_from(kube::Config::new(uri)).unwrap();
    let teller = Teller::start_with(client, "hang-1", pace());
    teller.tell(|_| ());
    // A request is on its way and stays unanswered.
    let _connection = listener.accept().await.unwrap();
    let stop = tokio::time::timeout(Duration::from_secs(5), teller.stop());
    stop.await.unwrap();
}
