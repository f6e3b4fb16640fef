//! A connection to a daemon's port, through the API server and the kubelet of its node.

use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use kube::{Api, Client};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;

use super::FleetError;

/// How long it may take to be made.
const PATIENCE: Duration = Duration::from_secs(15);

/// What goes both ways, and what becomes of it.
pub(super) struct Forward {
    pub(super) stream: Box<dyn Stream>,
    /// What the other side says when it cannot go on; silence when it just ends.
    pub(super) trouble: futures_util::future::BoxFuture<'static, Option<String>>,
}

/// Bytes both ways.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

pub(super) async fn open(
    client: &Client,
    namespace: &str,
    pod: &str,
    port: u16,
) -> Result<Forward, FleetError> {
    let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let opened = timeout(PATIENCE, pods.portforward(pod, &[port])).await;
    let opened = opened.map_err(|_| FleetError::Slow(PATIENCE))?;
    let mut forwarder = opened.map_err(|error| FleetError::Forward {
        source: Box::new(error),
    })?;
    let lost = || FleetError::Port("no stream".to_owned());
    let stream = forwarder.take_stream(port).ok_or_else(lost)?;
    let trouble = forwarder.take_error(port).ok_or_else(lost)?;
    Ok(Forward {
        stream: Box::new(stream),
        trouble: Box::pin(trouble),
    })
}
