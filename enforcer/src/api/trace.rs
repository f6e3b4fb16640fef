//! Asking what becomes of a new connection, over the socket.

use std::io;

use enforcer_policy::model::Cluster;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::trace::{Answer, Question, TraceError, Tracer, write_text};

/// The answer to `trace`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub enum TraceAnswer {
    /// What becomes of the connection.
    Answer {
        /// As `enforcer trace --output json` has it.
        answer: Value,
        /// As it is written for people: paragraphs with an empty line between them, the verdict first,
        /// then both ends, or the service and its backends.
        text: String,
    },
    /// Nobody can say.
    Failed {
        /// Why.
        error: String,
    },
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Trace(#[from] TraceError),
    #[error("the answer cannot be written: {0}")]
    Json(#[from] serde_json::Error),
    #[error("the answer cannot be written: {0}")]
    Text(#[from] io::Error),
}

impl TraceAnswer {
    /// The answer to a question about this cluster.
    pub fn of(cluster: &Cluster, question: &Question) -> Self {
        let answered = Tracer::on_host(cluster).ask(question);
        let written = answered
            .map_err(Failure::from)
            .and_then(|answer| written(&answer));
        written.unwrap_or_else(|error| Self::Failed {
            error: error.to_string(),
        })
    }
}

fn written(answer: &Answer) -> Result<TraceAnswer, Failure> {
    let mut text = Vec::new();
    write_text(answer, &mut text)?;
    Ok(TraceAnswer::Answer {
        answer: serde_json::to_value(answer)?,
        text: String::from_utf8_lossy(&text).into_owned(),
    })
}
