//! `metadata.ownerReferences`: the workload of a pod.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};

use crate::model::Workload;

/// The label by which a deployment tells its replica sets from each other: their names end in it.
const TEMPLATE_HASH_LABEL: &str = "pod-template-hash";

/// The workload of a pod, by the owner that controls it. Nothing more is known of owners than what the
/// pod says of them:
/// - a replica set whose name ends in the pod's template hash is a deployment's;
/// - a job whose name ends in a time as cron jobs write it (minutes since 1970) is a cron job's.
pub(super) fn workload(meta: &ObjectMeta) -> Option<Workload> {
    let owners = meta.owner_references.as_deref().unwrap_or_default();
    let owner = owners.iter().find(|one| one.controller == Some(true))?;
    let OwnerReference { kind, name, .. } = owner;
    if kind.is_empty() || name.is_empty() || kind.contains('/') {
        return None;
    }
    let above = match kind.as_str() {
        "ReplicaSet" => template_hash(meta)
            .and_then(|hash| name.strip_suffix(hash)?.strip_suffix('-'))
            .map(|name| ("Deployment", name)),
        "Job" => scheduled(name).map(|name| ("CronJob", name)),
        _ => None,
    };
    let (kind, name) = above
        .filter(|(_, name)| !name.is_empty())
        .unwrap_or((kind, name));
    Some(Workload::new(kind, name))
}

fn template_hash(meta: &ObjectMeta) -> Option<&str> {
    let labels = meta.labels.as_ref()?;
    let hash = labels.get(TEMPLATE_HASH_LABEL)?;
    (!hash.is_empty()).then_some(hash)
}

/// The cron job's name in the name of its job. Eight digits are the minutes from 1989 to 2160.
fn scheduled(job: &str) -> Option<&str> {
    let (name, minutes) = job.rsplit_once('-')?;
    let is_time = minutes.len() == 8 && minutes.bytes().all(|byte| byte.is_ascii_digit());
    is_time.then_some(name)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn of(metadata: Value) -> Option<String> {
        let meta: ObjectMeta = serde_json::from_value(metadata).unwrap();
        workload(&meta).map(|workload| workload.to_string())
    }

    fn owned(kind: &str, name: &str, labels: &Value) -> Option<String> {
        of(json!({"labels": labels, "ownerReferences": [
            {"apiVersion": "v1", "kind": "Node", "name": "n", "uid": "1"},
            {"apiVersion": "v1", "kind": kind, "name": name, "uid": "2", "controller": true}]}))
    }

    #[test]
    fn a_replica_set_with_the_pods_template_hash_is_its_deployment() {
        let hash = json!({"pod-template-hash": "5d4f"});
        assert_eq!(
            owned("ReplicaSet", "api-v2-5d4f", &hash).as_deref(),
            Some("Deployment/api-v2")
        );
        for (name, labels) in [
            ("api-5d4f", &json!({})),
            ("api-5d4f", &json!({"pod-template-hash": ""})),
            ("api5d4f", &hash),
            ("-5d4f", &hash),
        ] {
            let expected = format!("ReplicaSet/{name}");
            assert_eq!(owned("ReplicaSet", name, labels), Some(expected));
        }
    }

    #[test]
    fn a_job_with_a_time_in_its_name_is_its_cron_job() {
        let job = |name: &str| owned("Job", name, &json!({})).unwrap();
        assert_eq!(job("backup-29384756"), "CronJob/backup");
        for name in ["backup", "backup-1", "backup-2938475x", "29384756"] {
            assert_eq!(job(name), format!("Job/{name}"));
        }
    }

    #[test]
    fn other_controllers_are_the_workload_themselves() {
        let set = owned("StatefulSet", "db", &json!({}));
        assert_eq!(set.as_deref(), Some("StatefulSet/db"));
    }

    #[test]
    fn an_owner_that_does_not_control_the_pod_is_no_workload() {
        let node = json!({"apiVersion": "v1", "kind": "Node", "name": "n", "uid": "1"});
        assert_eq!(of(json!({"ownerReferences": [node]})), None);
        assert_eq!(of(json!({})), None);
    }
}
