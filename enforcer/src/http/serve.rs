//! The HTTP server.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::form::Form;
use super::metrics;
use crate::api::server::Question;
use crate::background::Background;
use crate::report::Counters;

/// How long the daemon's loop may be busy with one thing. Compiling a large cluster from nothing
/// takes seconds.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why nothing is served.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// The address cannot be had.
    #[error(
        "cannot listen at {address}: {source}; give another --listen ADDR:PORT, or --listen none"
    )]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// No thread.
    #[error("cannot start the thread of the HTTP server: {0}")]
    Thread(#[source] io::Error),
}

/// The running server; it ends when dropped.
#[derive(Debug)]
pub struct Http {
    /// Where it listens.
    pub address: SocketAddr,
    _serving: Background,
}

#[derive(Clone)]
struct Daemon {
    questions: mpsc::Sender<Question>,
    reports: Counters,
}

/// Serves at `address` what the daemon answers to `questions`.
///
/// # Errors
/// When the address cannot be had.
pub fn start(
    address: SocketAddr,
    questions: mpsc::Sender<Question>,
    reports: Counters,
) -> Result<Http, HttpError> {
    let listen = |source| HttpError::Listen { address, source };
    let listener = std::net::TcpListener::bind(address).map_err(listen)?;
    listener.set_nonblocking(true).map_err(listen)?;
    let address = listener.local_addr().map_err(listen)?;
    let router = router(Daemon { questions, reports });
    let serve = async move {
        let listener = match tokio::net::TcpListener::from_std(listener) {
            Ok(listener) => listener,
            Err(error) => return tracing::error!(%error, "cannot serve HTTP"),
        };
        if let Err(error) = axum::serve(listener, router).await {
            tracing::error!(%error, "HTTP is no longer served");
        }
    };
    Ok(Http {
        address,
        _serving: Background::start("http", serve).map_err(HttpError::Thread)?,
    })
}

fn router(daemon: Daemon) -> Router {
    Router::new()
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .with_state(daemon)
}

async fn healthz(State(daemon): State<Daemon>) -> Response {
    match daemon.ask(|answer| Question::Health { answer }).await {
        Ok(_) => "ok\n".into_response(),
        Err(silence) => silence,
    }
}

async fn readyz(State(daemon): State<Daemon>) -> Response {
    match daemon.ask(|answer| Question::Health { answer }).await {
        Ok(health) if health.is_ready() => "ready\n".into_response(),
        Ok(health) => unavailable(&format!("{health}\n")),
        Err(silence) => silence,
    }
}

async fn metrics(State(daemon): State<Daemon>, headers: HeaderMap) -> Response {
    let accept = headers.get_all(header::ACCEPT).into_iter();
    let accept: Vec<_> = accept.filter_map(|value| value.to_str().ok()).collect();
    let form = Form::wanted(&accept.join(","));
    match daemon.ask(|answer| Question::Numbers { answer }).await {
        Ok(numbers) => {
            let head = [
                (header::CONTENT_TYPE, form.content_type()),
                (header::VARY, "accept"),
            ];
            let page = metrics::page(form, &numbers, &daemon.reports);
            (head, page).into_response()
        }
        Err(silence) => silence,
    }
}

impl Daemon {
    /// The daemon's answer, or what to say about its silence.
    async fn ask<T>(
        &self,
        question: impl FnOnce(oneshot::Sender<T>) -> Question,
    ) -> Result<T, Response> {
        let (answer, answered) = oneshot::channel();
        let asked = async {
            self.questions.send(question(answer)).await.ok()?;
            answered.await.ok()
        };
        match timeout(PATIENCE, asked).await {
            Ok(Some(answer)) => Ok(answer),
            Ok(None) => Err(unavailable("the daemon is stopping\n")),
            Err(_) => Err(unavailable(&format!(
                "the daemon's loop has not answered for {} seconds\n",
                PATIENCE.as_secs()
            ))),
        }
    }
}

fn unavailable(words: &str) -> Response {
    (StatusCode::SERVICE_UNAVAILABLE, words.to_owned()).into_response()
}
