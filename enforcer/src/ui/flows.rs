//! Flow records: the daemon's own lines, as they come.

use std::io;
use std::path::Path;

use axum::body::{Body, Bytes};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use enforcer_flows::Query;
use futures_util::stream;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

use crate::api::Request;
use crate::api::client::ClientError;

/// How much is sent on at once.
const PART: usize = 64 << 10;

/// Sends on what the daemon answers to a query. A browser that is slow makes the daemon wait for nothing:
/// it tells how many records were missed.
pub(super) async fn stream(socket: &Path, query: &str) -> Response {
    let query = match serde_json::from_str::<Query>(query) {
        Ok(query) => query,
        Err(error) => return (StatusCode::BAD_REQUEST, error.to_string()).into_response(),
    };
    match connect(socket, query).await {
        Ok(stream) => {
            let parts = stream::unfold(Some(stream), |stream| async move {
                let mut stream = stream?;
                let mut part = Vec::with_capacity(PART);
                match stream.read_buf(&mut part).await {
                    Ok(0) => None,
                    Ok(_) => Some((Ok(Bytes::from(part)), Some(stream))),
                    Err(error) => Some((Err(error), None)),
                }
            });
            let kind = [(header::CONTENT_TYPE, "application/x-ndjson")];
            (kind, Body::from_stream(parts)).into_response()
        }
        Err(source) => {
            let path = socket.to_owned();
            let error = ClientError::Connect { path, source };
            (StatusCode::SERVICE_UNAVAILABLE, error.to_string()).into_response()
        }
    }
}

/// A connection on which the daemon answers.
async fn connect(socket: &Path, query: Query) -> io::Result<UnixStream> {
    let mut stream = UnixStream::connect(socket).await?;
    let mut line = serde_json::to_vec(&Request::Flows(query.into()))?;
    line.push(b'\n');
    stream.write_all(&line).await?;
    Ok(stream)
}
