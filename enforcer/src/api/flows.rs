//! Flow records over the socket.

use std::io;

use enforcer_flows::{Page, Query, Record};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt as _, AsyncWrite};
use tokio::sync::{mpsc, oneshot};

use super::server::{Question, send};

/// What the two sides of the socket speak. Daemons before version 2 filtered nothing, and their records
/// were others.
pub const VERSION: u32 = 2;

/// What a client asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// [`VERSION`] of the client; 0 from those that do not say.
    #[serde(default)]
    pub version: u32,
    /// Which records.
    #[serde(default)]
    pub query: Query,
    /// Clients of version 1 say it here. It has no meaning any more.
    #[serde(default, skip_serializing)]
    pub follow: bool,
}

impl From<Query> for Request {
    fn from(query: Query) -> Self {
        Self {
            version: VERSION,
            query,
            follow: false,
        }
    }
}

/// One line of the answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Line {
    /// Nothing else comes.
    Failed {
        /// Why, and what to do.
        error: String,
    },
    /// Records before the next one were gone before they could be looked at.
    Missed {
        /// How many, of all that there were.
        missed: u64,
        /// The number that the client went on from is another daemon's.
        #[serde(default)]
        restarted: bool,
    },
    /// A record.
    Record(Box<Record>),
}

impl Line {
    /// Reads one.
    ///
    /// # Errors
    /// When it is none; the error says what is wrong with it as a record.
    pub fn read(text: &str) -> Result<Self, serde_json::Error> {
        // Nearly all lines are records, and only so an error says where a record is wrong.
        match serde_json::from_str(text) {
            Ok(record) => Ok(Self::Record(record)),
            Err(source) => serde_json::from_str(text).map_err(|_| source),
        }
    }
}

/// Answers until nothing more comes or the client goes away.
pub(super) async fn serve(
    reading: &mut (impl tokio::io::AsyncRead + Unpin),
    writing: &mut (impl AsyncWrite + Unpin),
    questions: &mpsc::Sender<Question>,
    request: Request,
) -> io::Result<()> {
    if request.version != VERSION {
        let error = refusal(request.version);
        return send(writing, &Line::Failed { error }).await;
    }
    let (answer, store) = oneshot::channel();
    let _ = questions.send(Question::Flows { answer }).await;
    let Ok(store) = store.await else {
        return Ok(());
    };
    let follow = request.query.follow;
    let mut reader = store.read(request.query);
    // A client says nothing more: what can be read is its end, which a follower that nothing is sent to
    // would have no other sign of.
    let mut rest = [0; 1];
    loop {
        let page = tokio::select! {
            page = reader.next() => page,
            _ = reading.read(&mut rest), if follow => return Ok(()),
        };
        match page {
            Some(page) => send_page(writing, page).await?,
            None => return Ok(()),
        }
    }
}

async fn send_page(writing: &mut (impl AsyncWrite + Unpin), page: Page) -> io::Result<()> {
    let Page {
        records,
        missed,
        restarted,
        ..
    } = page;
    if missed > 0 || restarted {
        send(writing, &Line::Missed { missed, restarted }).await?;
    }
    for record in &records {
        send(writing, record).await?;
    }
    Ok(())
}

fn refusal(version: u32) -> String {
    let daemon = env!("CARGO_PKG_VERSION");
    let side = if version < VERSION { "older" } else { "newer" };
    format!(
        "this `enforcer flows` is {side} than the daemon ({daemon}); use the daemon's own binary, in a \
         cluster by `kubectl exec` into its pod"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api;

    #[test]
    fn a_client_before_filters_is_told_that_it_is_too_old() {
        let old = r#"{"verb":"flows","follow":true}"#;
        let Ok(api::Request::Flows(request)) = serde_json::from_str(old) else {
            unreachable!("old requests are understood, so that they can be refused in words");
        };
        assert_ne!(request.version, VERSION);
        assert!(refusal(request.version).contains("older"));
        assert!(refusal(VERSION + 1).contains("newer"));
    }

    #[test]
    fn a_request_is_read_as_it_is_written() {
        let filter = ["pod=web".parse().unwrap()].into_iter().collect();
        let query = Query {
            filter,
            last: Some(3),
            ..Query::default()
        };
        let request = api::Request::Flows(query.into());
        let line = serde_json::to_string(&request).unwrap();
        assert!(line.contains(r#""verb":"flows""#), "{line}");
        // Daemons before filters know no such member, and say so.
        assert!(line.contains(r#""version":2"#), "{line}");
        assert_eq!(
            serde_json::from_str::<api::Request>(&line).unwrap(),
            request
        );
    }

    #[test]
    fn lines_are_told_apart() {
        let line = |text: &str| serde_json::from_str::<Line>(text).unwrap();
        assert!(matches!(line(r#"{"error":"x"}"#), Line::Failed { .. }));
        assert!(matches!(
            line(r#"{"missed":3}"#),
            Line::Missed {
                missed: 3,
                restarted: false
            }
        ));
    }
}
