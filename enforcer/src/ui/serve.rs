//! The server.

use std::future::Future;
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use tokio::net::TcpListener;

use super::ask::Source;
use super::manifests::Manifests;
use super::session::Sessions;
use super::{files, flows, guard};

/// Where to serve, and whom to ask.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where to listen; loopback alone.
    pub listen: SocketAddr,
    /// The daemon's socket.
    pub socket: PathBuf,
    /// What stands for the daemon's cluster.
    pub manifests: Option<PathBuf>,
}

/// Why there is no page.
#[derive(Debug, thiserror::Error)]
pub enum UiError {
    /// An address that others reach.
    #[error(
        "{0} is not a loopback address, and the page is for this machine alone: listen at 127.0.0.1 and reach \
         it from elsewhere by `kubectl port-forward` or `ssh -L {port}:127.0.0.1:{port}`", port = .0.port()
    )]
    NotLoopback(SocketAddr),
    /// The address cannot be had.
    #[error("cannot listen at {address}: {source}; give another --listen 127.0.0.1:PORT")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// No secrets.
    #[error("the kernel gives no random numbers: {0}")]
    Random(#[source] io::Error),
    /// It stopped serving.
    #[error("the page is no longer served: {0}")]
    Serve(#[source] io::Error),
}

/// A server that listens.
pub struct Ui {
    listener: TcpListener,
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    address: SocketAddr,
    sessions: Sessions,
    source: Source,
}

impl Ui {
    /// Listens.
    ///
    /// # Errors
    /// When the address is not loopback or cannot be had.
    pub async fn bind(options: Options) -> Result<Self, UiError> {
        let address = options.listen;
        if !address.ip().is_loopback() {
            return Err(UiError::NotLoopback(address));
        }
        let failed = |source| UiError::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let shared = Shared {
            address,
            sessions: Sessions::new().map_err(UiError::Random)?,
            source: Source {
                socket: options.socket,
                manifests: options.manifests.map(Manifests::new),
            },
        };
        Ok(Self {
            listener,
            address,
            shared: Arc::new(shared),
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The link that opens the page. What stands behind `#` no browser sends, so that no log has it.
    pub fn link(&self) -> String {
        link(self.address, &self.shared.sessions.code())
    }

    /// Serves until `stop` is done.
    ///
    /// # Errors
    /// When the listener breaks.
    pub async fn serve(self, stop: impl Future<Output = ()>) -> Result<(), UiError> {
        let router = router(self.shared);
        tokio::select! {
            served = axum::serve(self.listener, router) => served.map_err(UiError::Serve),
            () = stop => Ok(()),
        }
    }
}

fn link(address: SocketAddr, code: &str) -> String {
    format!("http://{address}/#code={code}")
}

fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/api/status", post(status))
        .route("/api/overview", post(overview))
        .route("/api/trace", post(trace))
        .route("/api/flows", post(records))
        .layer(from_fn_with_state(Arc::clone(&shared), known))
        .route("/api/login", post(login))
        .merge(files::router())
        .layer(from_fn(guard::guard))
        .with_state(shared)
}

/// Lets through who has a session.
async fn known(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    if shared.sessions.knows(request.headers()) {
        return next.run(request).await;
    }
    let words = "no session: open the link that `enforcer ui` printed last, or type its code\n";
    (StatusCode::UNAUTHORIZED, words).into_response()
}

async fn login(State(shared): State<Arc<Shared>>, headers: HeaderMap, code: String) -> Response {
    let host = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok());
    match shared.sessions.admit(&code, host.unwrap_or_default()) {
        Ok(Some(admission)) => {
            let next = link(shared.address, &admission.next);
            // Nobody may read it any more, and nothing depends on it.
            let _ = writeln!(
                io::stdout(),
                "A browser was let in. For another one: {next}"
            );
            let cookie = [(header::SET_COOKIE, admission.cookie)];
            (cookie, admission.key).into_response()
        }
        Ok(None) => {
            let words = "this code is not good, or not any more: each is good once\n";
            (StatusCode::UNAUTHORIZED, words).into_response()
        }
        Err(error) => {
            let words = UiError::Random(error).to_string();
            (StatusCode::SERVICE_UNAVAILABLE, words).into_response()
        }
    }
}

async fn status(State(shared): State<Arc<Shared>>) -> Response {
    asked(shared, Source::status).await
}

async fn overview(State(shared): State<Arc<Shared>>, known: String) -> Response {
    asked(shared, move |source| source.overview(&known)).await
}

async fn trace(State(shared): State<Arc<Shared>>, question: String) -> Response {
    asked(shared, move |source| source.trace(&question)).await
}

async fn records(State(shared): State<Arc<Shared>>, query: String) -> Response {
    flows::stream(&shared.source.socket, &query).await
}

/// Asks on a thread that may block.
async fn asked(
    shared: Arc<Shared>,
    ask: impl FnOnce(&Source) -> Response + Send + 'static,
) -> Response {
    let asked = tokio::task::spawn_blocking(move || ask(&shared.source)).await;
    asked.unwrap_or_else(|error| {
        (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response()
    })
}
