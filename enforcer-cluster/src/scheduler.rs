//! A scheduler for pods that name their node: no other pod is bound.
//!
//! It reads `nodeAffinity` as far as the controller of a `DaemonSet` writes it (a required term with
//! `metadata.name In [NODE]`) and looks neither at taints nor at room.

use std::pin::pin;
use std::thread::{self, JoinHandle};

use futures_util::StreamExt as _;
use k8s_openapi::api::core::v1::{Binding, ObjectReference, Pod};
use kube::api::PostParams;
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{Config, watcher};
use kube::{Api, Client};
use tokio::sync::oneshot;

use crate::{ClusterError, ControlPlane};

/// Binds pods until it is dropped.
#[derive(Debug)]
pub struct Scheduler {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Scheduler {
    /// Starts one.
    pub fn start(plane: &ControlPlane) -> Result<Self, ClusterError> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(ClusterError::client)?;
        let client = runtime.block_on(plane.client())?;
        let (stop, stopped) = oneshot::channel();
        let thread = thread::spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    () = bind_all(client) => {}
                    _ = stopped => {}
                }
            });
        });
        Ok(Self {
            stop: Some(stop),
            thread: Some(thread),
        })
    }
}

impl Drop for Scheduler {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn bind_all(client: Client) {
    let all: Api<Pod> = Api::all(client.clone());
    let unbound = Config::default().fields("spec.nodeName=");
    let mut pods = pin!(watcher(all, unbound).default_backoff().applied_objects());
    while let Some(pod) = pods.next().await {
        if let Ok(pod) = pod
            && let Some(node) = wanted(&pod)
        {
            bind(&client, &pod, node).await;
        }
    }
}

/// The node that a pod asks for.
fn wanted(pod: &Pod) -> Option<&str> {
    let affinity = pod
        .spec
        .as_ref()?
        .affinity
        .as_ref()?
        .node_affinity
        .as_ref()?;
    let required = affinity
        .required_during_scheduling_ignored_during_execution
        .as_ref()?;
    let terms = required.node_selector_terms.iter();
    let fields = terms.flat_map(|term| term.match_fields.iter().flatten());
    let mut names = fields.filter(|field| field.key == "metadata.name" && field.operator == "In");
    names.next()?.values.as_ref()?.first().map(String::as_str)
}

/// What is bound already, or gone, is refused; nobody needs to hear of that.
async fn bind(client: &Client, pod: &Pod, node: &str) {
    let (Some(namespace), Some(name)) = (&pod.metadata.namespace, &pod.metadata.name) else {
        return;
    };
    let mut binding = Binding {
        target: ObjectReference {
            kind: Some("Node".to_owned()),
            name: Some(node.to_owned()),
            ..ObjectReference::default()
        },
        ..Binding::default()
    };
    binding.metadata.name = Some(name.clone());
    let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let params = PostParams::default();
    let _: Result<serde_json::Value, _> = pods
        .create_subresource("binding", name, &params, &binding)
        .await;
}
