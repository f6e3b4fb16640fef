//! Words for findings, and commands.

use crate::api::Status;
use crate::api::status::EndpointStatus;
use crate::fleet::{DAEMONSET, NAMESPACE};
use crate::report::object_name;

/// The pods that are not enforced, or not at all of their links, and why.
pub(super) fn not_enforced(status: &Status) -> Vec<String> {
    let endpoints = status.endpoints.iter();
    endpoints.filter_map(endpoint_not_enforced).collect()
}

/// Why a pod is not enforced, as a line.
pub(super) fn endpoint_not_enforced(endpoint: &EndpointStatus) -> Option<String> {
    let why = endpoint.not_enforced.as_deref()?;
    let addresses = addresses(endpoint);
    let pod = &endpoint.pod;
    Some(if endpoint.links.is_empty() {
        format!("{pod} {addresses}  NOT ENFORCED: {why}")
    } else {
        format!("{pod} {addresses}  NOT ENFORCED at all of its links: {why}")
    })
}

/// The addresses of a pod.
pub(super) fn addresses(endpoint: &EndpointStatus) -> String {
    let all: Vec<String> = endpoint.addresses.iter().map(ToString::to_string).collect();
    all.join(" ")
}

/// The pods that policies select, that are no endpoints and so cannot be enforced.
pub(super) fn host_pods(status: &Status) -> Vec<String> {
    let here = |pod: &str| status.endpoints.iter().any(|one| one.pod == pod);
    let mut lines: Vec<String> = status
        .policies
        .iter()
        .flat_map(|policy| &policy.not_enforced)
        .filter(|(pod, _)| !here(pod))
        .map(|(pod, why)| format!("{pod}  NOT ENFORCED: {why}"))
        .collect();
    lines.sort_unstable();
    lines.dedup();
    lines
}

/// How to see the report about the first policy that is not enforced here.
pub(super) fn report_of(status: &Status) -> Option<String> {
    if status.source.manifests.is_some() {
        return None;
    }
    let node = status.node.as_deref()?;
    let here = |pod: &String| status.endpoints.iter().any(|one| one.pod == *pod);
    let mut policies = status.policies.iter();
    let policy = policies.find(|policy| policy.not_enforced.keys().any(here))?;
    let (namespace, name) = policy.policy.split_once('/')?;
    let name = object_name(name, node);
    Some(format!(
        "kubectl describe policyenforcement --namespace {namespace} {name}"
    ))
}

/// How kubectl takes `namespace/name`.
pub(super) fn flags(object: &str) -> String {
    match object.split_once('/') {
        Some((namespace, name)) => format!("--namespace {namespace} {name}"),
        None => object.to_owned(),
    }
}

/// The namespace and the name of the `DaemonSet`.
fn daemonset(status: &Status) -> (&str, &str) {
    let told = status.about.daemonset.as_deref();
    told.and_then(|told| told.split_once('/'))
        .unwrap_or((NAMESPACE, DAEMONSET))
}

/// How to see the daemon's log.
pub(super) fn logs(status: &Status) -> String {
    let (namespace, name) = daemonset(status);
    match status.node.as_deref() {
        // Of several pods kubectl shows them all, but of one node only by its field.
        Some(node) => format!(
            "kubectl logs --namespace {namespace} --tail 50 \"$(kubectl get pods --namespace {namespace} \
             --field-selector spec.nodeName={node} --selector app.kubernetes.io/name=enforcer --output name)\""
        ),
        None => format!("kubectl logs --namespace {namespace} --tail 50 daemonset/{name}"),
    }
}

/// How to make a map bigger. The maps of both families have the name without the family here.
pub(super) fn bigger(status: &Status, map: &str, entries: usize) -> String {
    let maps = match map {
        "ADDRESSES" | "CIDRS" => vec![format!("{map}_V4"), format!("{map}_V6")],
        other => vec![other.to_owned()],
    };
    let all =
        |form: &dyn Fn(&String) -> String| maps.iter().map(form).collect::<Vec<_>>().join(" ");
    if status.source.manifests.is_some() {
        let flags = all(&|map| format!("--map-entries {map}={entries}"));
        return format!("enforcer run {flags} …");
    }
    let values = all(&|map| format!("--set mapEntries.{map}={entries}"));
    let (namespace, name) = daemonset(status);
    format!("helm upgrade --namespace {namespace} {name} CHART --reuse-values {values}")
}

/// A time as people say it, in its two greatest units.
pub(super) fn time(seconds: u64) -> String {
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86400);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, minutes) if seconds.is_multiple_of(60) => format!("{minutes} min"),
        (0, 0, minutes) => format!("{minutes} min {} s", seconds % 60),
        (0, hours, minutes) => format!("{hours} h {} min", minutes % 60),
        (days, hours, _) => format!("{days} d {} h", hours % 24),
    }
}

/// The time since a moment.
pub(super) fn since(moment: Option<jiff::Timestamp>, now: jiff::Timestamp) -> String {
    let seconds = moment.map_or(0, |moment| now.duration_since(moment).as_secs());
    time(u64::try_from(seconds).unwrap_or_default())
}
