//! A control plane, and daemons that are nothing but what they tell.

use std::collections::BTreeSet;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::{Duration, Instant};

use enforcer::api::server::Question;
use enforcer::report::observed::{Observation, Observed, PolicyName, Unenforced};
use enforcer::report::{Count, Counters, Options, Pace, Tasks, start};
use enforcer_cluster::ControlPlane;
use enforcer_policy::model::PodKey;
use enforcer_policy::rule::ObjectVersion;
use serde_json::Value;
use tokio::sync::{mpsc, watch};

/// The definition that the chart installs.
pub(crate) const DEFINITION: &str =
    include_str!("../../../deploy/chart/enforcer/files/policyenforcements.yaml");

/// One control plane for most tests; each has namespaces and nodes of its own.
static PLANE: LazyLock<ControlPlane> = LazyLock::new(|| {
    let plane = ControlPlane::start(&enforcer_cluster::Options::default()).unwrap();
    define(&plane);
    plane
});

/// The shared control plane.
pub(crate) fn plane() -> &'static ControlPlane {
    &PLANE
}

/// Installs the definition and waits until it is served.
pub(crate) fn define(plane: &ControlPlane) {
    plane.apply(DEFINITION).unwrap();
    let name = "crd/policyenforcements.enforcer.dev";
    let words = ["wait", "--for=condition=Established", "--timeout=60s", name];
    plane.kubectl(&words).unwrap();
}

/// Limits that a test need not wait for.
pub(crate) fn pace() -> Pace {
    Pace {
        gather: Duration::from_millis(100),
        start: Duration::ZERO,
        again: Duration::from_secs(1),
        nodes: Duration::from_millis(200),
        gone: Duration::from_millis(500),
        ..Pace::default()
    }
}

/// What a daemon tells, as a test sets it.
#[derive(Clone, Default)]
pub(crate) struct Story {
    pub(crate) observed: Observed,
    pub(crate) nodes: BTreeSet<String>,
}

/// A daemon that tells its story.
pub(crate) struct Teller {
    story: Arc<Mutex<Story>>,
    changed: watch::Sender<u64>,
    pub(crate) counters: Counters,
    tasks: Tasks,
}

impl Teller {
    /// With the administrator's permissions on the shared control plane.
    pub(crate) async fn start(node: &str, pace: Pace) -> Self {
        let client = plane().client().await.unwrap();
        Self::start_with(client, node, pace)
    }

    pub(crate) fn start_with(client: kube::Client, node: &str, pace: Pace) -> Self {
        let story = Arc::new(Mutex::new(Story::default()));
        let (sender, questions) = mpsc::channel(16);
        tokio::spawn(answer(story.clone(), questions));
        let (changed, changes) = watch::channel(0);
        let options = Options {
            node: node.to_owned(),
            objects: true,
            events: true,
            pace,
        };
        let counters = Counters::default();
        let tasks = start(client, options, sender, changes, counters.clone());
        Self {
            story,
            changed,
            counters,
            tasks,
        }
    }

    /// Changes the story; the daemon has seen everything that there is.
    pub(crate) fn tell(&self, change: impl FnOnce(&mut Story)) {
        let mut story = self.story.lock().unwrap();
        change(&mut story);
        story.observed.synced = true;
        drop(story);
        self.changed.send_modify(|count| *count += 1);
    }

    pub(crate) fn count(&self, count: Count) -> u64 {
        self.counters.get(count)
    }

    pub(crate) async fn stop(self) {
        self.tasks.stop().await;
    }
}

async fn answer(story: Arc<Mutex<Story>>, mut questions: mpsc::Receiver<Question>) {
    while let Some(question) = questions.recv().await {
        let story = story.lock().unwrap().clone();
        match question {
            Question::Enforcement { answer } => drop(answer.send(story.observed)),
            Question::Nodes { answer } => drop(answer.send(story.nodes)),
            _ => unreachable!("reports ask nothing else"),
        }
    }
}

/// A namespace with these policies, and these nodes.
pub(crate) fn furnish(plane: &ControlPlane, namespace: &str, policies: &[&str], nodes: &[&str]) {
    let mut objects = vec![format!(
        "apiVersion: v1\nkind: Namespace\nmetadata: {{name: {namespace}}}\n"
    )];
    objects.extend(policies.iter().map(|name| policy(namespace, name)));
    objects.extend(
        nodes
            .iter()
            .map(|name| format!("apiVersion: v1\nkind: Node\nmetadata: {{name: {name}}}\n")),
    );
    plane.apply(&objects.join("---\n")).unwrap();
}

pub(crate) fn policy(namespace: &str, name: &str) -> String {
    format!(
        "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\n\
         metadata: {{name: {name}, namespace: {namespace}}}\nspec: {{podSelector: {{}}}}\n"
    )
}

/// A policy as it is at the API server, with pods `web-0` and so on, some of them bad.
pub(crate) fn observation(
    plane: &ControlPlane,
    namespace: &str,
    name: &str,
    pods: u32,
    bad: &[u32],
) -> (PolicyName, Observation) {
    let object = get(plane, &["networkpolicy", name, "-n", namespace]);
    let pod = |number: &u32| PodKey {
        namespace: namespace.into(),
        name: format!("web-{number}").into(),
    };
    let why = Unenforced {
        why: "10.0.0.1 is on eth0 (macvlan): it has no end on the node".to_owned(),
        wholly: true,
    };
    let observation = Observation {
        version: Some(ObjectVersion {
            uid: object["metadata"]["uid"].as_str().unwrap().into(),
            generation: object["metadata"]["generation"].as_i64().unwrap(),
        }),
        pods: (0..pods).map(|number| pod(&number)).collect(),
        not_enforced: bad.iter().map(|bad| (pod(bad), why.clone())).collect(),
    };
    let name = PolicyName {
        namespace: namespace.to_owned(),
        name: name.to_owned(),
    };
    (name, observation)
}

/// What kubectl gets, as JSON.
pub(crate) fn get(plane: &ControlPlane, words: &[&str]) -> Value {
    let text = plane.kubectl(&[&["get", "-o", "json"], words].concat());
    serde_json::from_str(&text.unwrap()).unwrap()
}

/// The reports of a namespace.
pub(crate) fn reports(plane: &ControlPlane, namespace: &str) -> Vec<Value> {
    let list = get(plane, &["policyenforcements", "-n", namespace]);
    list["items"].as_array().unwrap().clone()
}

/// Waits until something holds.
pub(crate) async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(90);
    while !holds() {
        assert!(Instant::now() < end, "never: {what}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}
