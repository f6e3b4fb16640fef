//! Questions with one answer, each on its way to the daemon's socket or to manifests.

use std::path::PathBuf;

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde::Serialize;

use super::manifests::Manifests;
use crate::api::Request;
use crate::api::client::{self, ClientError};
use crate::trace::Question;

/// Who is asked.
pub(super) struct Source {
    /// The daemon.
    pub(super) socket: PathBuf,
    /// What stands for the daemon's cluster, where it is given.
    pub(super) manifests: Option<Manifests>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
enum AskError {
    /// It cannot be understood.
    #[error("this is no question: {0}")]
    Question(#[source] serde_json::Error),
    /// Nobody answers.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// It cannot be written.
    #[error("the answer cannot be written: {0}")]
    Json(#[source] serde_json::Error),
}

impl Source {
    /// How the node is.
    pub(super) fn status(&self) -> Response {
        respond(self.daemon(&Request::Status { refresh: false }))
    }

    /// Pods and policies, unless the client knows them; its body is the revision that it has.
    pub(super) fn overview(&self, known: &str) -> Response {
        let known = known.trim().parse().ok();
        respond(match &self.manifests {
            Some(manifests) => json(&manifests.overview(known)),
            None => self.daemon(&Request::Overview { known }),
        })
    }

    /// What becomes of a connection.
    pub(super) fn trace(&self, question: &str) -> Response {
        respond(self.traced(question))
    }

    fn traced(&self, question: &str) -> Result<String, AskError> {
        let question: Question = serde_json::from_str(question).map_err(AskError::Question)?;
        match &self.manifests {
            Some(manifests) => json(&manifests.trace(&question)),
            None => self.daemon(&Request::Trace(question)),
        }
    }

    fn daemon(&self, request: &Request) -> Result<String, AskError> {
        Ok(client::line(&self.socket, request)?)
    }
}

fn respond(answer: Result<String, AskError>) -> Response {
    let status = match &answer {
        Ok(_) => StatusCode::OK,
        Err(AskError::Question(_)) => StatusCode::BAD_REQUEST,
        Err(AskError::Client(_) | AskError::Json(_)) => StatusCode::SERVICE_UNAVAILABLE,
    };
    let body = answer.unwrap_or_else(|error| error.to_string());
    (status, [(header::CONTENT_TYPE, "application/json")], body).into_response()
}

fn json(value: &impl Serialize) -> Result<String, AskError> {
    serde_json::to_string(value).map_err(AskError::Json)
}
