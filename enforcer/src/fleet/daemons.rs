//! Which nodes there are, and where their daemons are.

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::DaemonSet;
use k8s_openapi::api::core::v1::{Node, Pod, PodSpec};
use kube::api::ListParams;
use kube::{Api, Client, Resource};
use serde::de::DeserializeOwned;

use super::FleetError;
use super::expected::is_meant;

/// The labels of the daemons' pods, and of their `DaemonSet`.
const PODS: &str = "app.kubernetes.io/name=enforcer,app.kubernetes.io/component=daemon";
const SETS: &str = "app.kubernetes.io/name=enforcer";

/// How a daemon is told where to listen.
const FLAG: &str = "--api-listen=";

/// Objects that a server sends at a time.
const PAGE: u32 = 500;

/// A node and its daemon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The node's name.
    pub node: String,
    /// The daemon's pod, if there is one.
    pub pod: Option<String>,
    /// Where the daemon can be asked, or why it cannot.
    pub port: Result<u16, String>,
}

/// What a cluster has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Census {
    /// Every node that has a daemon or should have one, by name.
    pub places: Vec<Place>,
    /// What could not be found out.
    pub notes: Vec<String>,
}

/// Looks where daemons are and should be.
///
/// # Errors
/// When pods or nodes cannot be listed, or there is nothing at all.
pub async fn census(client: &Client, namespace: &str) -> Result<Census, FleetError> {
    let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let pods = list(&pods, "Pods", ListParams::default().labels(PODS), Some).await?;
    let sets: Api<DaemonSet> = Api::namespaced(client.clone(), namespace);
    let sets = list(
        &sets,
        "DaemonSets",
        ListParams::default().labels(SETS),
        Some,
    )
    .await;
    let (template, notes) = match sets {
        Ok(sets) if sets.is_empty() && pods.is_empty() => {
            return Err(FleetError::Nothing(namespace.to_owned()));
        }
        Ok(sets) => (template(sets), Vec::new()),
        // Good to know, but not needed.
        Err(FleetError::List { source, .. }) => {
            let note = format!(
                "The DaemonSet cannot be read ({source}): every Linux node counts as one that should have a daemon."
            );
            (Some(any_linux()), vec![note])
        }
        Err(error) => return Err(error),
    };
    let nodes: Api<Node> = Api::all(client.clone());
    // Of a Node nothing but its name is kept, if that: the status is long.
    let meant = |node: Node| {
        let meant = template.as_ref().is_some_and(|pod| is_meant(pod, &node));
        node.metadata.name.filter(|_| meant)
    };
    let nodes = list(&nodes, "Nodes", ListParams::default(), meant).await?;
    Ok(Census {
        places: places(&nodes, &pods),
        notes,
    })
}

/// Where the daemon of a node is now.
///
/// # Errors
/// When pods cannot be listed.
pub async fn find(client: &Client, namespace: &str, node: &str) -> Result<Place, FleetError> {
    let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let here = ListParams::default()
        .labels(PODS)
        .fields(&format!("spec.nodeName={node}"));
    let pods = list(&pods, "Pods", here, Some).await?;
    let place = places(&[node.to_owned()], &pods).into_iter();
    let mut place = place.filter(|place| place.node == node);
    Ok(place.next().unwrap_or_else(|| absent(node)))
}

/// All objects, page by page, and of each what is wanted.
async fn list<K, T>(
    api: &Api<K>,
    what: &'static str,
    params: ListParams,
    mut keep: impl FnMut(K) -> Option<T>,
) -> Result<Vec<T>, FleetError>
where
    K: Resource + Clone + DeserializeOwned + std::fmt::Debug,
{
    let mut params = params.limit(PAGE);
    let mut kept = Vec::new();
    loop {
        let page = api.list(&params).await;
        let page = page.map_err(|error| FleetError::List {
            what,
            source: Box::new(error),
        })?;
        kept.extend(page.items.into_iter().filter_map(&mut keep));
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => params = params.continue_token(&token),
            None => return Ok(kept),
        }
    }
}

fn template(sets: Vec<DaemonSet>) -> Option<PodSpec> {
    sets.into_iter().next()?.spec?.template.spec
}

fn any_linux() -> PodSpec {
    let os = ("kubernetes.io/os".to_owned(), "linux".to_owned());
    let anything = k8s_openapi::api::core::v1::Toleration {
        operator: Some("Exists".to_owned()),
        ..Default::default()
    };
    PodSpec {
        node_selector: Some([os].into()),
        tolerations: Some(vec![anything]),
        ..PodSpec::default()
    }
}

fn absent(node: &str) -> Place {
    Place {
        node: node.to_owned(),
        pod: None,
        port: Err("no pod of the DaemonSet is there".to_owned()),
    }
}

fn places(nodes: &[String], pods: &[Pod]) -> Vec<Place> {
    let mut places: BTreeMap<&str, (u8, Place)> = BTreeMap::new();
    for node in nodes {
        places.insert(node, (0, absent(node)));
    }
    for pod in pods {
        let node = pod.spec.as_ref().and_then(|spec| spec.node_name.as_deref());
        let (Some(node), Some(name)) = (node, &pod.metadata.name) else {
            continue;
        };
        let place = Place {
            node: node.to_owned(),
            pod: Some(name.clone()),
            port: port(pod),
        };
        // While a daemon is exchanged there are two.
        let rank = rank(pod);
        let best = places.get(node).map_or(0, |(rank, _)| *rank);
        if rank > best {
            places.insert(node, (rank, place));
        }
    }
    places.into_values().map(|(_, place)| place).collect()
}

fn phase(pod: &Pod) -> &str {
    let status = pod.status.as_ref();
    let phase = status.and_then(|status| status.phase.as_deref());
    phase.unwrap_or("Unknown")
}

fn rank(pod: &Pod) -> u8 {
    match (phase(pod), &pod.metadata.deletion_timestamp) {
        ("Running", None) => 4,
        (_, None) => 3,
        ("Running", Some(_)) => 2,
        (_, Some(_)) => 1,
    }
}

/// Where the daemon of a pod can be asked.
fn port(pod: &Pod) -> Result<u16, String> {
    let name = pod.metadata.name.as_deref().unwrap_or_default();
    if phase(pod) != "Running" {
        return Err(format!("pod {name} is {}{}", phase(pod), waiting(pod)));
    }
    let containers = pod.spec.iter().flat_map(|spec| &spec.containers);
    let mut arguments = containers.flat_map(|one| one.args.iter().flatten());
    let port = arguments.find_map(|argument| argument.strip_prefix(FLAG)?.rsplit(':').next());
    port.and_then(|port| port.parse().ok()).ok_or_else(|| {
        format!("pod {name} has no --api-listen: set api.enabled=true in the chart's values")
    })
}

/// What a pod waits for, such as `: CrashLoopBackOff`.
fn waiting(pod: &Pod) -> String {
    let status = pod.status.as_ref();
    let containers = status.and_then(|status| status.container_statuses.as_deref());
    let mut containers = containers.unwrap_or_default().iter();
    let reason = containers.find_map(|one| one.state.as_ref()?.waiting.as_ref()?.reason.as_deref());
    reason.map_or_else(String::new, |reason| format!(": {reason}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pod(name: &str, node: &str, phase: &str, flag: &str) -> Pod {
        let container = json!({"name": "enforcer", "args": ["run", flag]});
        serde_json::from_value(json!({
            "metadata": {"name": name},
            "spec": {"nodeName": node, "containers": [container]},
            "status": {"phase": phase},
        }))
        .unwrap()
    }

    #[test]
    fn every_node_has_a_place_with_a_daemon_or_without() {
        let nodes = ["a", "b", "c"].map(ToOwned::to_owned);
        let mut old = pod("old", "a", "Running", "--api-listen=127.0.0.1:1");
        old.metadata.deletion_timestamp =
            serde_json::from_value(json!("2026-01-01T00:00:00Z")).ok();
        let pods = [
            old,
            pod("new", "a", "Running", "--api-listen=127.0.0.1:9871"),
            pod("bare", "b", "Running", "--mode=audit"),
            pod("more", "z", "Pending", "--api-listen=[::1]:9871"),
        ];
        let places = places(&nodes, &pods);
        let names: Vec<_> = places.iter().map(|one| &*one.node).collect();
        assert_eq!(names, ["a", "b", "c", "z"]);
        assert_eq!(places[0].pod.as_deref(), Some("new"));
        assert_eq!(places[0].port, Ok(9871));
        let why = |index: usize| places[index].port.clone().unwrap_err();
        assert!(why(1).contains("no --api-listen"));
        assert!(why(2).contains("no pod"));
        assert_eq!(why(3), "pod more is Pending");
    }
}
