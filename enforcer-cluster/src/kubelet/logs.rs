//! `/containerLogs/{namespace}/{pod}/{container}`: what `kubectl logs` asks for.

use std::sync::Arc;

use futures_util::stream;
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::{Request, Response, StatusCode};

use super::containers::Output;
use super::route::{Body, Shared, body, parameter, refuse};

/// Parameters that mean something here; others are refused, not passed over.
const KNOWN: [&str; 2] = ["follow", "tailLines"];

/// A container's output so far, and with `follow` what comes until the container is gone.
pub(super) fn answer(
    request: &Request<Incoming>,
    shared: &Shared,
    [namespace, pod, container]: [&str; 3],
) -> Response<Body> {
    let pairs = request.uri().query().unwrap_or_default().split('&');
    let names = pairs.filter_map(|pair| pair.split('=').next());
    let mut unknown = names.filter(|name| !name.is_empty() && !KNOWN.contains(name));
    if let Some(name) = unknown.next() {
        let words = format!("this kubelet does not know the parameter {name} of logs");
        return refuse(StatusCode::BAD_REQUEST, &words);
    }
    let running = shared.table.get(namespace, pod);
    let Some(output) = running.and_then(|pod| pod.output(container)) else {
        let words = format!("{namespace}/{pod} has no container {container} with output here");
        return refuse(StatusCode::NOT_FOUND, &words);
    };
    let (_, count) = output.since(usize::MAX);
    let tail = parameter(request, "tailLines").and_then(|text| text.parse().ok());
    let first = tail.map_or(0, |tail| count.saturating_sub(tail));
    if parameter(request, "follow") == Some("true") {
        return Response::new(follow(&output, first));
    }
    Response::new(body(output.since(first).0))
}

/// Holds the output's end of a channel only, so that it ends with the container.
fn follow(output: &Arc<Output>, first: usize) -> Body {
    let state = (Arc::downgrade(output), output.count(), first);
    let frames = stream::unfold(state, |(output, mut count, next)| async move {
        // An error says that the container is gone.
        count.wait_for(|count| *count > next).await.ok()?;
        let (text, next) = output.upgrade()?.since(next);
        Some((Ok(Frame::data(text)), (output, count, next)))
    });
    StreamBody::new(frames).boxed_unsync()
}
