//! What a kubelet serves over HTTPS.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::{Request, Response, StatusCode};

use super::table::Table;
use super::{forward, logs};

/// What is sent to the API server.
pub(super) type Body = UnsyncBoxBody<Bytes, Infallible>;

/// What answers are made of.
#[derive(Clone, Debug)]
pub(super) struct Shared {
    /// The pods that run.
    pub(super) table: Arc<Table>,
}

pub(super) fn answer(request: Request<Incoming>, shared: &Shared) -> Response<Body> {
    let path = request.uri().path().to_owned();
    let words: Vec<&str> = path.split('/').skip(1).collect();
    match *words {
        ["portForward", namespace, pod] => forward::answer(request, shared, namespace, pod),
        ["containerLogs", namespace, pod, container] => {
            logs::answer(&request, shared, [namespace, pod, container])
        }
        _ => refuse(StatusCode::NOT_FOUND, "this kubelet does not serve that"),
    }
}

/// The value of a query's parameter, as it was sent.
pub(super) fn parameter<'a>(request: &'a Request<Incoming>, name: &str) -> Option<&'a str> {
    let mut pairs = request.uri().query().unwrap_or_default().split('&');
    pairs.find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
}

/// An answer without anything but a status and words.
pub(super) fn refuse(status: StatusCode, words: &str) -> Response<Body> {
    let mut response = Response::new(body(words.to_owned()));
    *response.status_mut() = status;
    response
}

/// A body that is known whole.
pub(super) fn body(text: impl Into<Bytes>) -> Body {
    Full::new(text.into()).boxed_unsync()
}
