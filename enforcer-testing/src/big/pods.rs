//! Pods.

use serde_json::{Value, json};

use super::{REPLICAS, Size, addresses, app, hash, name_of_namespace, node_of_pod};

/// What the controller of a pod says about it.
struct Made {
    namespace: String,
    name: String,
    labels: Value,
}

/// The namespace and the name of a pod.
pub(super) fn key(size: &Size, number: usize) -> (String, String) {
    let made = made(size, number);
    (made.namespace, made.name)
}

fn made(size: &Size, number: usize) -> Made {
    let controller = number / REPLICAS;
    let namespace = controller % size.namespaces;
    let app = app(controller);
    let even = controller.is_multiple_of(2);
    let mut labels = json!({
        "app.kubernetes.io/name": app,
        "app.kubernetes.io/instance": format!("{app}-{namespace}"),
        "app.kubernetes.io/component": if even { "server" } else { "worker" },
        "app.kubernetes.io/managed-by": "Helm",
        "team": format!("team-{}", controller % 40),
    });
    let mut put = |key: &str, value: &str| labels[key] = Value::from(value);
    let name = match controller % 20 {
        // Pods of a StatefulSet have labels of their own.
        0 | 1 => {
            let set = format!("{app}-{controller}");
            let index = (number % REPLICAS).to_string();
            let name = format!("{set}-{index}");
            put("statefulset.kubernetes.io/pod-name", &name);
            put(
                "controller-revision-hash",
                &format!("{set}-{}", hash(controller, 10)),
            );
            put("apps.kubernetes.io/pod-index", &index);
            name
        }
        // A Job.
        2 => {
            let job = format!("{app}-{}", 29_000_000 + controller);
            put("batch.kubernetes.io/job-name", &job);
            put("job-name", &job);
            format!("{job}-{}", hash(number, 5))
        }
        // A Deployment.
        _ => {
            let template = hash(controller, 10);
            put("pod-template-hash", &template);
            format!("{app}-{template}-{}", hash(number, 5))
        }
    };
    Made {
        namespace: name_of_namespace(namespace),
        name,
        labels,
    }
}

/// A pod as it runs.
pub fn pod(size: &Size, number: usize) -> Value {
    let Made {
        namespace,
        name,
        labels,
    } = made(size, number);
    let app = app(number / REPLICAS);
    let node = node_of_pod(size, number);
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"namespace": namespace, "name": name, "labels": labels, "annotations": {
            "checksum/config": hash(number, 40),
            "prometheus.io/scrape": "true",
        }},
        "spec": {
            "nodeName": node,
            "automountServiceAccountToken": false,
            "containers": [container(app), {
                "name": "log-shipper",
                "image": format!("registry.example.com/platform/log-shipper:v2.{}", number % 7),
                "resources": {"limits": {"memory": "64Mi"}},
            }],
            "tolerations": [
                {"key": "node.kubernetes.io/not-ready", "operator": "Exists",
                    "effect": "NoExecute", "tolerationSeconds": 300},
                {"key": "node.kubernetes.io/unreachable", "operator": "Exists",
                    "effect": "NoExecute", "tolerationSeconds": 300},
            ],
            "volumes": [{"name": "cache", "emptyDir": {}},
                {"name": "config", "configMap": {"name": format!("{app}-config")}}],
        },
        "status": status(number, app),
    })
}

fn container(app: &str) -> Value {
    let variable = |number: usize| {
        json!({"name": format!("SETTING_{number}"),
            "value": format!("https://service-{number}.internal.example.com:8443/{app}")})
    };
    let probe =
        |path: &str| json!({"httpGet": {"path": path, "port": "http"}, "periodSeconds": 10});
    json!({
        "name": "main",
        "image": format!("registry.example.com/{app}/{app}:v1.42.3"),
        "args": ["--listen=:8080", "--log-format=json", "--config=/etc/app/config.yaml"],
        "env": (0..12).map(variable).collect::<Vec<_>>(),
        "ports": [{"name": "http", "containerPort": 8080},
            {"name": "metrics", "containerPort": 9090}],
        "resources": {"requests": {"cpu": "100m", "memory": "128Mi"},
            "limits": {"memory": "256Mi"}},
        "livenessProbe": probe("/healthz"),
        "readinessProbe": probe("/readyz"),
        "volumeMounts": [{"name": "cache", "mountPath": "/var/cache"},
            {"name": "config", "mountPath": "/etc/app"}],
        "securityContext": {"allowPrivilegeEscalation": false,
            "capabilities": {"drop": ["ALL"]}},
    })
}

fn status(number: usize, app: &str) -> Value {
    let addresses = addresses(number);
    let condition = |kind: &&str| json!({"type": kind, "status": "True", "lastTransitionTime": "2026-11-01T08:00:00Z"});
    let conditions = [
        "PodReadyToStartContainers",
        "Initialized",
        "Ready",
        "ContainersReady",
    ];
    let container = |name: &str| {
        json!({
            "name": name, "ready": true, "started": true, "restartCount": 0,
            "image": format!("registry.example.com/{app}/{name}:v1.42.3"),
            "imageID": format!("registry.example.com/{app}/{name}@sha256:{}", hash(number, 64)),
            "containerID": format!("containerd://{}", hash(number, 64)),
            "state": {"running": {"startedAt": "2026-11-01T08:00:00Z"}},
        })
    };
    let ips: Vec<_> = addresses.iter().map(|ip| json!({"ip": ip})).collect();
    json!({
        "phase": "Running",
        "podIP": addresses[0],
        "podIPs": ips,
        "hostIP": "10.240.0.1",
        "startTime": "2026-11-01T08:00:00Z",
        "qosClass": "Burstable",
        "conditions": conditions.iter().map(condition).collect::<Vec<_>>(),
        "containerStatuses": [container("main"), container("log-shipper")],
    })
}
