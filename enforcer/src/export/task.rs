//! Follows the records and writes them.

use std::collections::VecDeque;
use std::io;
use std::time::Duration;

use enforcer_flows::{Page, Query};
use jiff::Timestamp;
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};

use super::counters::{Count, Counters};
use super::form::{self, Missed};
use super::options::{Format, Options};
use super::sink::{Line, Sink};
use crate::background::Background;
use crate::flow::store::{FlowStore, Reader};

/// After a failure it is tried again so soon, then after twice as long, and so on …
const RETRY: Duration = Duration::from_secs(1);

/// … but never later than this.
const RETRY_AT_MOST: Duration = Duration::from_secs(30);

/// How long the end of the daemon waits for what came before it to be written.
const FAREWELL: Duration = Duration::from_secs(2);

/// Nothing comes for so long: there is nothing any more.
const SILENCE: Duration = Duration::from_millis(50);

/// The running export.
#[derive(Debug)]
pub struct Export {
    stop: oneshot::Sender<()>,
    ended: oneshot::Receiver<()>,
    // Nothing of it is waited for when it is dropped: a collector may have stopped to read.
    serving: Background,
}

/// Begins to export the records of a node, on a thread of its own.
///
/// # Errors
/// When there is no thread for it. A file that cannot be written is none: it is tried again.
pub fn start(
    options: &Options,
    store: &FlowStore,
    node: Option<String>,
    counters: Counters,
) -> io::Result<Export> {
    let query = Query {
        filter: options.filter.clone(),
        follow: true,
        // Also what is gone before the first look is missed.
        after: Some(store.next().saturating_sub(1)),
        ..Query::default()
    };
    let follower = Follower {
        reader: store.read(query),
        sink: Some(Sink::new(options)),
        format: options.format,
        node,
        counters,
        waiting: VecDeque::new(),
        wait: None,
    };
    let (stop, stopped) = oneshot::channel();
    let (end, ended) = oneshot::channel();
    let serving = Background::start("export", async move {
        follower.run(stopped).await;
        // Nobody may wait for it.
        let _ = end.send(());
    })?;
    Ok(Export {
        stop,
        ended,
        serving,
    })
}

impl Export {
    /// Ends it when everything is written, or does not wait for longer than two seconds.
    pub async fn stop(self) {
        drop(self.stop);
        if timeout(FAREWELL, self.ended).await.is_err() {
            tracing::warn!("the last exported records are not written yet, and are not waited for");
        }
        drop(self.serving);
    }
}

struct Follower {
    reader: Reader,
    /// `None` while it writes.
    sink: Option<Sink>,
    format: Format,
    node: Option<String>,
    counters: Counters,
    /// Lines that are not written yet.
    waiting: VecDeque<Line>,
    /// How long to wait before the next attempt, when the last one failed.
    wait: Option<Duration>,
}

impl Follower {
    async fn run(mut self, mut stop: oneshot::Receiver<()>) {
        // A file that cannot be written is told at once, not at the first denial.
        self.write().await;
        loop {
            if let Some(wait) = self.wait {
                tokio::select! {
                    () = sleep(wait) => self.write().await,
                    _ = &mut stop => break,
                }
                continue;
            }
            tokio::select! {
                page = self.reader.next() => match page {
                    Some(page) => self.take(&page),
                    None => return,
                },
                _ = &mut stop => break,
            }
            self.write().await;
        }
        while self.wait.is_none()
            && let Ok(Some(page)) = timeout(SILENCE, self.reader.next()).await
        {
            self.take(&page);
            self.write().await;
        }
        if let lines @ 1.. = self.waiting.len() {
            tracing::warn!(lines, "the last exported records could not be written");
        }
    }

    fn take(&mut self, page: &Page) {
        if page.missed > 0 {
            self.counters.raise(Count::Missed, page.missed);
            let missed = Missed {
                records: page.missed,
                time: Timestamp::now(),
                node: self.node.as_deref(),
            };
            self.waiting.push_back(Line {
                bytes: form::missed(self.format, &missed),
                is_record: false,
            });
        }
        let records = page.records.iter().map(|record| Line {
            bytes: form::record(self.format, record),
            is_record: true,
        });
        self.waiting.extend(records);
    }

    /// Writes what waits, on a thread that may block.
    async fn write(&mut self) {
        let Some(mut sink) = self.sink.take() else {
            return;
        };
        let mut lines = std::mem::take(&mut self.waiting);
        let counters = self.counters.clone();
        let writing = tokio::task::spawn_blocking(move || {
            let outcome = sink.write(&mut lines, &counters);
            (sink, lines, outcome)
        });
        // It has no panics, and nobody cancels it.
        let Ok((sink, lines, outcome)) = writing.await else {
            return;
        };
        self.sink = Some(sink);
        self.waiting = lines;
        match outcome {
            Ok(()) => self.succeeded(),
            Err(error) => self.failed(&error),
        }
    }

    fn succeeded(&mut self) {
        if self.wait.take().is_some() {
            self.counters.set(Count::Failing, 0);
            tracing::info!("records are exported again; what was missed meanwhile is told there");
        }
    }

    fn failed(&mut self, error: &dyn std::error::Error) {
        self.counters.raise(Count::Failures, 1);
        self.counters.set(Count::Failing, 1);
        if self.wait.is_none() {
            tracing::warn!(
                %error,
                "records cannot be exported, which is tried again; enforcement goes on, and what is missed is counted"
            );
        }
        let wait = self.wait.map(|wait| (wait * 2).min(RETRY_AT_MOST));
        self.wait = Some(wait.unwrap_or(RETRY));
    }
}

#[cfg(test)]
mod tests;
