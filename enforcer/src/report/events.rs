//! Notices as `events.k8s.io/v1` Events.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};

use super::name::{hashed, shortened};
use super::notice::{Notice, Regarding};

/// The name of this program in Events.
const CONTROLLER: &str = "enforcer.dev/enforcer";

/// Longest name of an object.
const LONGEST_NAME: usize = 253;

/// Longest `reportingInstance`.
const LONGEST_INSTANCE: usize = 128;

/// The Event of a notice. `uid` is the object's.
pub(super) fn event(notice: &Notice, uid: String, node: &str, time: Timestamp) -> Event {
    let regarding = reference(&notice.regarding, uid);
    let (kind, note) = match &notice.complaint {
        Some(complaint) => ("Warning", complaint.note.clone()),
        None if matches!(notice.regarding, Regarding::Contents(_)) => {
            ("Normal", "its contents are accepted now".to_owned())
        }
        None => ("Normal", format!("enforced again on node {node}")),
    };
    let name = regarding.name.clone().unwrap_or_default();
    let moment = time.as_nanosecond().to_string();
    let parts = [notice.reason(), &name, node, &moment];
    Event {
        metadata: ObjectMeta {
            name: Some(hashed(&format!("{name}.{node}"), &parts, LONGEST_NAME)),
            namespace: regarding.namespace.clone(),
            ..ObjectMeta::default()
        },
        action: Some("Enforce".to_owned()),
        event_time: Some(MicroTime(time)),
        note: Some(note),
        reason: Some(notice.reason().to_owned()),
        regarding: Some(regarding),
        reporting_controller: Some(CONTROLLER.to_owned()),
        reporting_instance: Some(shortened(node, LONGEST_INSTANCE)),
        type_: Some(kind.to_owned()),
        ..Event::default()
    }
}

fn reference(regarding: &Regarding, uid: String) -> ObjectReference {
    let (api_version, kind, namespace, name) = match regarding {
        Regarding::Policy(policy, _) | Regarding::Contents(policy) => (
            "networking.k8s.io/v1",
            "NetworkPolicy",
            policy.namespace.as_str(),
            policy.name.as_str(),
        ),
        Regarding::Pod(pod) => ("v1", "Pod", pod.namespace.as_str(), pod.name.as_str()),
    };
    ObjectReference {
        api_version: Some(api_version.to_owned()),
        kind: Some(kind.to_owned()),
        namespace: Some(namespace.to_owned()),
        name: Some(name.to_owned()),
        uid: Some(uid),
        ..ObjectReference::default()
    }
}
