//! Talking with one daemon.

use std::time::Duration;

use enforcer_flows::Query;
use futures_util::future::BoxFuture;
use kube::Client;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines, ReadHalf, WriteHalf};
use tokio::time::timeout;

use super::FleetError;
use super::forward::{Forward, Stream, open};
use crate::api::Request;
use crate::api::client::in_words;
use crate::api::flows::Line;
use crate::screen::Summary;

/// How long a daemon may take for an answer of one line.
const PATIENCE: Duration = Duration::from_secs(15);

/// How long to wait for what the other side says of an end.
const LAST_WORDS: Duration = Duration::from_millis(200);

/// The daemon of a node, by its pod.
#[derive(Clone)]
pub struct Peer {
    /// A client of the API server.
    pub client: Client,
    /// The pod's namespace.
    pub namespace: String,
    /// The pod.
    pub pod: String,
    /// The port.
    pub port: u16,
}

/// What a daemon answers, line by line.
pub struct Answer {
    lines: Lines<BufReader<ReadHalf<Box<dyn Stream>>>>,
    trouble: Option<BoxFuture<'static, Option<String>>>,
    /// Closing it would end the answer.
    _writing: WriteHalf<Box<dyn Stream>>,
}

/// How a line that is no answer says why.
#[derive(serde::Deserialize)]
struct Failed {
    error: String,
}

impl Peer {
    /// Asks something.
    ///
    /// # Errors
    /// When the daemon cannot be reached.
    pub async fn ask(&self, request: &Request) -> Result<Answer, FleetError> {
        let Self {
            client,
            namespace,
            pod,
            port,
        } = self;
        let Forward { stream, trouble } = open(client, namespace, pod, *port).await?;
        let (reading, mut writing) = tokio::io::split(stream);
        let mut line = serde_json::to_vec(request)?;
        line.push(b'\n');
        writing.write_all(&line).await?;
        Ok(Answer {
            lines: BufReader::new(reading).lines(),
            trouble: Some(trouble),
            _writing: writing,
        })
    }

    /// The node in numbers.
    ///
    /// # Errors
    /// When the daemon does not answer, or not so.
    pub async fn summary(&self) -> Result<Summary, FleetError> {
        let asked = async {
            let mut answer = self.ask(&Request::Summary).await?;
            answer.next().await?.ok_or(FleetError::Ended)
        };
        let asked = timeout(PATIENCE, asked).await;
        let line = asked.map_err(|_| FleetError::Slow(PATIENCE))??;
        serde_json::from_str(&line).map_err(|error| failure(&line, error))
    }

    /// Flow records.
    ///
    /// # Errors
    /// When the daemon cannot be reached.
    pub async fn flows(&self, query: Query) -> Result<Answer, FleetError> {
        self.ask(&Request::Flows(query.into())).await
    }
}

impl Answer {
    /// The next line; `None` at the end.
    ///
    /// # Errors
    /// When the connection broke, or the other side says why there is none.
    pub async fn next(&mut self) -> Result<Option<String>, FleetError> {
        if let Some(line) = self.lines.next_line().await? {
            return Ok(Some(line));
        }
        let Some(trouble) = self.trouble.take() else {
            return Ok(None);
        };
        match timeout(LAST_WORDS, trouble).await {
            Ok(Some(why)) => Err(FleetError::Port(why)),
            Ok(None) | Err(_) => Ok(None),
        }
    }

    /// The next line of an answer about flows.
    ///
    /// # Errors
    /// As [`Self::next`], and when the daemon refuses.
    pub async fn next_flow(&mut self) -> Result<Option<Line>, FleetError> {
        let Some(line) = self.next().await? else {
            return Ok(None);
        };
        match Line::read(&line)? {
            Line::Failed { error } => Err(FleetError::Refused(in_words(error))),
            line => Ok(Some(line)),
        }
    }
}

/// A line that is not what was asked for may say why.
fn failure(line: &str, error: serde_json::Error) -> FleetError {
    match serde_json::from_str(line) {
        Ok(Failed { error }) => FleetError::Refused(in_words(error)),
        Err(_) => FleetError::Answer(error),
    }
}
