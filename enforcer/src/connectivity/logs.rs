//! What the clients write, by way of the API server.

use std::time::Duration;

use futures_util::AsyncBufReadExt as _;
use futures_util::TryStreamExt as _;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use kube::api::LogParams;
use kube::{Api, Client};
use tokio::sync::mpsc::UnboundedSender;

use super::attempt::Attempt;
use super::evidence::Moment;
use super::objects::CONTAINER;
use super::stage::ClientPod;

/// Pause before a stream that broke is opened again.
const AGAIN: Duration = Duration::from_millis(500);

/// What a client's log brings.
#[derive(Debug)]
pub(super) enum Line {
    /// An attempt, and when its line came.
    Attempt(ClientPod, Moment, Attempt),
    /// The stream broke, or could not be opened; it is opened again.
    Broken(ClientPod, String),
}

/// Now, by this process's clock.
pub(super) fn now() -> Moment {
    Timestamp::now().as_microsecond()
}

/// Follows a client's log until nobody listens any more.
pub(super) async fn follow(
    api: Client,
    namespace: String,
    pod: ClientPod,
    lines: UnboundedSender<Line>,
) {
    let pods = Api::<Pod>::namespaced(api, &namespace);
    let mut params = LogParams {
        container: Some(CONTAINER.to_owned()),
        follow: true,
        ..LogParams::default()
    };
    while !lines.is_closed() {
        let why = read(&pods, pod, &params, &lines).await;
        let _ = lines.send(Line::Broken(pod, why));
        // What was written meanwhile is lost, which only makes a case wait.
        params.tail_lines = Some(0);
        tokio::time::sleep(AGAIN).await;
    }
}

/// Reads until the stream ends, and says why it did.
async fn read(
    pods: &Api<Pod>,
    pod: ClientPod,
    params: &LogParams,
    lines: &UnboundedSender<Line>,
) -> String {
    let stream = match pods.log_stream(&pod.to_string(), params).await {
        Ok(stream) => stream,
        Err(error) => return error.to_string(),
    };
    let mut stream = Box::pin(stream).lines();
    loop {
        match stream.try_next().await {
            Ok(Some(line)) => {
                // Anything else is a complaint of the container's.
                let line = match serde_json::from_str(&line) {
                    Ok(attempt) => Line::Attempt(pod, now(), attempt),
                    Err(_) => Line::Broken(pod, line),
                };
                if lines.send(line).is_err() {
                    return String::new();
                }
            }
            Ok(None) => return "the log ended".to_owned(),
            Err(error) => return error.to_string(),
        }
    }
}
