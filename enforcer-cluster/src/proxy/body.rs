//! The body of an answer on its way to the client.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::{Frame, Incoming};
use tokio::sync::watch;

use super::state::State;
use super::{Ending, Link, fault};

/// Why a connection breaks.
pub(super) type Broken = Box<dyn std::error::Error + Send + Sync>;

/// What is sent to the client.
pub(super) type Answer = UnsyncBoxBody<Bytes, Broken>;

struct Relay {
    from: Incoming,
    state: Arc<State>,
    /// Of a watch: tells when all watches end.
    endings: Option<watch::Receiver<(u64, Ending)>>,
    /// How many more bytes may pass.
    limit: usize,
    over: bool,
}

/// Passes a body on, up to a number of bytes at which the connection breaks.
pub(super) fn relay(from: Incoming, state: Arc<State>, watch: bool, limit: usize) -> Answer {
    let endings = watch.then(|| state.endings.subscribe());
    let relay = Relay {
        from,
        state,
        endings,
        limit,
        over: false,
    };
    let frames = stream::unfold(relay, |mut relay| async {
        let frame = relay.next().await?;
        Some((frame, relay))
    });
    StreamBody::new(frames).boxed_unsync()
}

impl Relay {
    async fn next(&mut self) -> Option<Result<Frame<Bytes>, Broken>> {
        if self.over {
            return None;
        }
        let frame = tokio::select! {
            frame = self.from.frame() => frame,
            ending = ended(self.endings.as_mut()) => return self.end(ending),
        };
        // Also what was under way already is lost in a black hole.
        self.state.passable().await;
        let frame = match frame? {
            Ok(frame) => frame,
            Err(error) => return Some(Err(error.into())),
        };
        let Ok(mut data) = frame.into_data() else {
            return self.end(Ending::Clean);
        };
        if data.len() <= self.limit {
            self.limit -= data.len();
            return Some(Ok(Frame::data(data)));
        }
        if self.limit == 0 {
            return self.end(Ending::Cut);
        }
        data.truncate(self.limit);
        self.limit = 0;
        Some(Ok(Frame::data(data)))
    }

    fn end(&mut self, how: Ending) -> Option<Result<Frame<Bytes>, Broken>> {
        self.over = true;
        match how {
            Ending::Clean => None,
            Ending::Cut => Some(Err("cut by the fault proxy".into())),
            Ending::Gone => {
                let object = fault::status(410);
                let event = serde_json::json!({"type": "ERROR", "object": object});
                Some(Ok(Frame::data(format!("{event}\n").into())))
            }
        }
    }
}

/// Returns when all watches end; never for what is no watch.
async fn ended(endings: Option<&mut watch::Receiver<(u64, Ending)>>) -> Ending {
    if let Some(endings) = endings
        && endings.changed().await.is_ok()
    {
        return endings.borrow_and_update().1;
    }
    std::future::pending().await
}

impl State {
    /// Returns when bytes may pass.
    pub(super) async fn passable(&self) {
        let mut link = self.link.subscribe();
        // The sender lives as long as this state.
        let _ = link.wait_for(|link| *link != Link::BlackHole).await;
    }
}
