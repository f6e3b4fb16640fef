//! Objects written directly, without kubectl: a test may need thousands.

use std::sync::{Mutex, PoisonError};

use hyper::http::Method;
use kube::Client;
use serde_json::Value;
use tokio::runtime::Runtime;

use crate::{ClusterError, ControlPlane};

/// Writes objects as the administrator, for code that is not async.
#[derive(Debug)]
pub struct Objects {
    runtime: Mutex<Runtime>,
    client: ClientBox,
}

/// A client tells nothing about itself.
struct ClientBox(Client);

impl std::fmt::Debug for ClientBox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Client")
    }
}

impl ControlPlane {
    /// What writes objects as the administrator.
    pub fn objects(&self) -> Result<Objects, ClusterError> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(ClusterError::client)?;
        let client = ClientBox(runtime.block_on(self.client())?);
        Ok(Objects {
            runtime: Mutex::new(runtime),
            client,
        })
    }
}

impl Objects {
    /// Makes an object what is written here, and makes it if it is not there (server-side apply). Its
    /// `status` is not looked at.
    pub fn put(&self, object: &Value) -> Result<Value, ClusterError> {
        self.patch(object, "")
    }

    /// Makes an object's status what is written here; the object must be there.
    pub fn put_status(&self, object: &Value) -> Result<Value, ClusterError> {
        self.patch(object, "/status")
    }

    /// Deletes an object at once, as nobody is there who would take its time.
    pub fn remove(&self, object: &Value) -> Result<Value, ClusterError> {
        let path = format!("{}?gracePeriodSeconds=0", path(object));
        self.send(Method::DELETE, &path, &Value::Null)
    }

    fn patch(&self, object: &Value, subresource: &str) -> Result<Value, ClusterError> {
        let path = path(object);
        let path = format!("{path}{subresource}?fieldManager=test&force=true");
        self.send(Method::PATCH, &path, object)
    }

    fn send(&self, method: Method, path: &str, body: &Value) -> Result<Value, ClusterError> {
        let kind = if method == Method::PATCH {
            "application/apply-patch+yaml"
        } else {
            "application/json"
        };
        let body = if body.is_null() {
            Vec::new()
        } else {
            body.to_string().into_bytes()
        };
        let request = hyper::Request::builder()
            .method(method)
            .uri(path)
            .header("content-type", kind)
            .body(body)
            .map_err(ClusterError::client)?;
        let runtime = self.runtime.lock().unwrap_or_else(PoisonError::into_inner);
        let answer = self.client.0.request::<Value>(request);
        runtime.block_on(answer).map_err(ClusterError::client)
    }
}

/// Kinds without a namespace.
const CLUSTER_SCOPED: [&str; 2] = ["Namespace", "Node"];

fn path(object: &Value) -> String {
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let version = word(&object["apiVersion"]);
    let root = if version.contains('/') { "apis" } else { "api" };
    let kind = word(&object["kind"]);
    let metadata = &object["metadata"];
    let namespace = if CLUSTER_SCOPED.contains(&kind.as_str()) {
        String::new()
    } else {
        let name = metadata["namespace"].as_str().unwrap_or("default");
        format!("namespaces/{name}/")
    };
    let plural = plural(&kind.to_lowercase());
    let name = word(&metadata["name"]);
    format!("/{root}/{version}/{namespace}{plural}/{name}")
}

fn plural(kind: &str) -> String {
    match kind.strip_suffix('y') {
        Some(stem) => format!("{stem}ies"),
        None => format!("{kind}s"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(version: &str, kind: &str, namespace: Option<&str>) -> Value {
        json!({"apiVersion": version, "kind": kind, "metadata": {"name": "a", "namespace": namespace}})
    }

    #[test]
    fn every_kind_has_its_path() {
        let policy = object("networking.k8s.io/v1", "NetworkPolicy", Some("shop"));
        assert_eq!(
            path(&policy),
            "/apis/networking.k8s.io/v1/namespaces/shop/networkpolicies/a"
        );
        assert_eq!(path(&object("v1", "Node", None)), "/api/v1/nodes/a");
        assert_eq!(
            path(&object("v1", "Pod", None)),
            "/api/v1/namespaces/default/pods/a"
        );
    }
}
