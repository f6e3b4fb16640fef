//! One request and its answer.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::header::{CONTENT_TYPE, RETRY_AFTER};
use hyper_util::rt::TokioIo;

use super::body::{self, Answer, Broken};
use super::serve::Endpoints;
use super::state::State;
use super::{Fault, Link, Request, fault};

/// Answers one request. An error breaks the connection.
pub(super) async fn answer(
    request: hyper::Request<Incoming>,
    endpoints: &Endpoints,
    state: &Arc<State>,
) -> Result<hyper::Response<Answer>, Broken> {
    let seen = Request {
        method: request.method().to_string(),
        path: request.uri().path().to_owned(),
        query: request.uri().query().unwrap_or_default().to_owned(),
        at: Instant::now(),
    };
    let fault = state.meet(&seen);
    state.passable().await;
    let link = *state.link.borrow();
    if let Link::Slow(time) = link {
        tokio::time::sleep(time).await;
    }
    let mut limit = usize::MAX;
    match fault {
        Some(Fault::Status(code)) => return refusal(code),
        Some(Fault::Hang) => std::future::pending().await,
        Some(Fault::Delay(time)) => tokio::time::sleep(time).await,
        Some(Fault::CutBody(bytes)) => limit = bytes,
        None => {}
    }
    let response = forward(request, endpoints).await?;
    state.passable().await;
    let state = Arc::clone(state);
    Ok(response.map(|from| body::relay(from, state, seen.is_watch(), limit)))
}

/// Asks the API server.
async fn forward(
    request: hyper::Request<Incoming>,
    endpoints: &Endpoints,
) -> Result<hyper::Response<Incoming>, Broken> {
    let stream = endpoints.connect().await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    Ok(sender.send_request(request).await?)
}

/// What the API server sends with an error.
fn refusal(code: u16) -> Result<hyper::Response<Answer>, Broken> {
    let text = Bytes::from(fault::status(code).to_string());
    let body = Full::new(text).map_err(|never| match never {});
    let mut response = hyper::Response::builder()
        .status(code)
        .header(CONTENT_TYPE, "application/json");
    if code == 429 {
        response = response.header(RETRY_AFTER, "1");
    }
    Ok(response.body(body.boxed_unsync())?)
}
