//! Fills a cluster, and changes its pods.

use std::io::Write as _;
use std::time::{Duration, Instant};

use enforcer_cluster::ControlPlane;
use enforcer_testing::big::{self, Size};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use kube::Client;
use kube::api::{Patch, PatchParams, PostParams};
use kube::core::Request;
use serde_json::Value;

use crate::Outcome;

/// Requests at a time.
const AT_ONCE: usize = 32;

/// Puts all objects in.
pub(crate) async fn fill(plane: &ControlPlane, size: &Size) -> Outcome<()> {
    let client = plane.client().await?;
    let create = |object: Value, path: String| create(client.clone(), path, object);
    each("nodes", size.nodes, |n| {
        create(big::node(n), "/api/v1/nodes".to_owned())
    })
    .await?;
    each("namespaces", size.namespaces, |n| {
        create(big::namespace(n), "/api/v1/namespaces".to_owned())
    })
    .await?;
    each("policies", size.policies, |n| {
        let object = big::policy(size, n);
        let path = within("/apis/networking.k8s.io/v1", &object, "networkpolicies");
        create(object, path)
    })
    .await?;
    each("services", size.services, |n| {
        let object = big::service(size, n);
        let path = within("/api/v1", &object, "services");
        create(object, path)
    })
    .await?;
    each("slices", size.services, |n| {
        let object = big::slice(size, n);
        let path = within("/apis/discovery.k8s.io/v1", &object, "endpointslices");
        create(object, path)
    })
    .await?;
    each("pods", size.pods, |n| {
        pod(client.clone(), big::pod(size, n))
    })
    .await
}

/// Where the objects of a kind are that are in the namespace of this one.
fn within(group: &str, object: &Value, kind: &str) -> String {
    let namespace = object["metadata"]["namespace"].as_str().unwrap_or_default();
    format!("{group}/namespaces/{namespace}/{kind}")
}

/// Does something for each number, many at a time, and shows how far it is.
async fn each<F>(what: &str, count: usize, mut work: impl FnMut(usize) -> F) -> Outcome<()>
where
    F: Future<Output = Outcome<()>>,
{
    let begin = Instant::now();
    let mut shown = Instant::now();
    let mut done = 0;
    let mut all = stream::iter((0..count).map(&mut work)).buffer_unordered(AT_ONCE);
    while all.try_next().await?.is_some() {
        done += 1;
        if shown.elapsed() > Duration::from_secs(5) {
            shown = Instant::now();
            println!("  {what}: {done} of {count}");
            std::io::stdout().flush()?;
        }
    }
    println!("  {what}: {count} in {:.0?}", begin.elapsed());
    Ok(())
}

async fn create(client: Client, path: String, object: Value) -> Outcome<()> {
    let body = serde_json::to_vec(&object)?;
    let request = Request::new(path).create(&PostParams::default(), body)?;
    client.request_text(request).await?;
    Ok(())
}

/// A pod, then its status, as the kubelet would write it.
async fn pod(client: Client, object: Value) -> Outcome<()> {
    let path = within("/api/v1", &object, "pods");
    let name = object["metadata"]["name"].as_str().unwrap_or_default();
    let body = serde_json::to_vec(&object)?;
    let status = Request::new(path.clone());
    let status = status.replace_subresource("status", name, &PostParams::default(), body)?;
    create(client.clone(), path, object.clone()).await?;
    client.request_text(status).await?;
    Ok(())
}

/// Changes pods by this many merge patches in a second.
pub(crate) async fn patch_pods(
    client: &Client,
    size: &Size,
    per_second: u32,
    time: Duration,
    change: impl Fn(usize) -> (Option<&'static str>, Value),
) -> Outcome<usize> {
    let pace = tokio::time::interval(Duration::from_secs(1) / per_second);
    let end = Instant::now() + time;
    let numbers = stream::unfold((pace, 0), |(mut pace, turn)| async move {
        pace.tick().await;
        (Instant::now() < end).then_some((turn, (pace, turn + 1)))
    });
    let patches = numbers.map(|turn| {
        let (subresource, patch) = change(turn);
        patch_pod(
            client.clone(),
            big::pod(size, turn * 7919 % size.pods),
            subresource,
            patch,
        )
    });
    let mut done = 0;
    let mut all = std::pin::pin!(patches.buffer_unordered(AT_ONCE));
    while all.try_next().await?.is_some() {
        done += 1;
    }
    Ok(done)
}

async fn patch_pod(
    client: Client,
    object: Value,
    subresource: Option<&'static str>,
    patch: Value,
) -> Outcome<()> {
    let path = within("/api/v1", &object, "pods");
    let name = object["metadata"]["name"].as_str().unwrap_or_default();
    let (request, parameters, patch) = (
        Request::new(path),
        PatchParams::default(),
        Patch::Merge(patch),
    );
    let request = match subresource {
        Some(subresource) => request.patch_subresource(subresource, name, &parameters, &patch)?,
        None => request.patch(name, &parameters, &patch)?,
    };
    client.request_text(request).await?;
    Ok(())
}
