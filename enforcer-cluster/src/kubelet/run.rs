//! The loop of a kubelet.

use std::pin::pin;
use std::time::Duration;

use futures_util::StreamExt as _;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, DeleteParams, Patch, PatchParams, Preconditions};
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{Config, Event, watcher};
use kube::{Client, Error};
use serde_json::Value;
use tokio::sync::oneshot;
use tokio::time::{interval, timeout};

use super::pods::Pods;
use super::{ByUid, object};

/// How often what the API server did not take is tried again.
const AGAIN: Duration = Duration::from_millis(300);
/// How long a request may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Runs the node's pods until it shall stop; then all of them go.
pub(super) async fn run(
    client: Client,
    node: String,
    mut pods: Pods,
    mut stop: oneshot::Receiver<()>,
) {
    let all: Api<Pod> = Api::all(client.clone());
    let own = Config::default().fields(&format!("spec.nodeName={node}"));
    let mut events = pin!(watcher(all, own).default_backoff());
    let mut again = interval(AGAIN);
    let mut known = Known::default();
    loop {
        tokio::select! {
            _ = &mut stop => break,
            event = events.next() => match event {
                Some(Ok(event)) => known.take(event),
                Some(Err(error)) => pods.table.refused(&error),
                None => break,
            },
            _ = again.tick() => {}
        }
        if known.listed {
            pods.keep(&known.pods);
        }
        for (uid, pod) in &known.pods {
            // An API server that is away is asked again later.
            if let Err(error) = care(&client, &mut pods, uid, pod).await {
                pods.table.refused(&error);
            }
        }
    }
    pods.keep(&ByUid::new());
}

/// Brings one pod to where it should be.
async fn care(client: &Client, pods: &mut Pods, uid: &str, pod: &Pod) -> Result<(), Refused> {
    let [namespace, name] = [&pod.metadata.namespace, &pod.metadata.name];
    let (Some(namespace), Some(name)) = (namespace, name) else {
        return Ok(());
    };
    if object::is_by_hand(pod) {
        return Ok(());
    }
    let api: Api<Pod> = Api::namespaced(client.clone(), namespace);
    if pod.metadata.deletion_timestamp.is_some() {
        pods.stop(uid);
        return patiently(delete(&api, name, uid)).await;
    }
    match pods.run(uid, pod) {
        Some(status) => patiently(report(&api, name, &status)).await,
        None => Ok(()),
    }
}

async fn delete(api: &Api<Pod>, name: &str, uid: &str) -> Result<(), Error> {
    let params = DeleteParams {
        preconditions: Some(Preconditions {
            uid: Some(uid.to_owned()),
            ..Preconditions::default()
        }),
        ..DeleteParams::default().grace_period(0)
    };
    api.delete(name, &params).await.map(drop)
}

async fn report(api: &Api<Pod>, name: &str, status: &Value) -> Result<(), Error> {
    let (params, patch) = (PatchParams::default(), Patch::Merge(status));
    api.patch_status(name, &params, &patch).await.map(drop)
}

/// What the API server did not do.
#[derive(Debug, thiserror::Error)]
enum Refused {
    #[error(transparent)]
    Error(Box<Error>),
    #[error("the API server does not answer")]
    Silent,
}

/// A pod that is gone or another by now needs nothing.
async fn patiently(request: impl Future<Output = Result<(), Error>>) -> Result<(), Refused> {
    match timeout(PATIENCE, request).await {
        Ok(Err(Error::Api(status))) if matches!(status.code, 404 | 409) => Ok(()),
        Ok(outcome) => outcome.map_err(|error| Refused::Error(Box::new(error))),
        Err(_) => Err(Refused::Silent),
    }
}

/// The node's pods as the API server last told them.
#[derive(Default)]
struct Known {
    pods: ByUid<Pod>,
    /// A list that is not whole yet.
    coming: ByUid<Pod>,
    listed: bool,
}

impl Known {
    fn take(&mut self, event: Event<Pod>) {
        match event {
            Event::Init => self.coming.clear(),
            Event::InitApply(pod) => drop(self.coming.insert(uid(&pod), pod)),
            Event::InitDone => {
                self.pods = std::mem::take(&mut self.coming);
                self.listed = true;
            }
            Event::Apply(pod) => drop(self.pods.insert(uid(&pod), pod)),
            Event::Delete(pod) => drop(self.pods.remove(&uid(&pod))),
        }
    }
}

fn uid(pod: &Pod) -> String {
    pod.metadata.uid.clone().unwrap_or_default()
}
