//! One kind: listed whole, then watched, for ever.

use std::sync::Arc;
use std::time::{Duration, Instant};

use kube::api::{ListParams, WatchParams};
use kube::core::{Request, Status};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::backoff::{Backoff, chance};
use super::connection::Connection;
use super::decode::{self, Event, Page};
use super::failure::Failure;
use super::kinds::{Resource, Watched};
use super::lines::Lines;
use super::message::{Message, News};

/// How long silence is borne.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// How long an answer may take to begin, and the next piece of a list to come.
    pub answer: Duration,
    /// A watch in which nothing came for so long is begun anew: servers send a bookmark every minute,
    /// so the connection is probably dead.
    pub idle: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            answer: Duration::from_secs(30),
            idle: Duration::from_secs(75),
        }
    }
}

/// How many objects a page has.
const PAGE: u32 = 250;

/// Where there are no streaming lists, they are tried again after so long: the server may have been
/// upgraded.
const PROBE_AGAIN: Duration = Duration::from_secs(3600);

/// A watch that ends sooner, and brings nothing, is not a watch.
const BRIEF: Duration = Duration::from_secs(1);

/// Nobody listens any more.
pub(super) struct Deaf;

/// Why a turn ended other than regularly.
enum Stop {
    Failure(Failure),
    Deaf,
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}

impl From<Deaf> for Stop {
    fn from(_: Deaf) -> Self {
        Self::Deaf
    }
}

/// Lists and watches all objects of a kind.
pub(super) struct Reflector<W> {
    connection: Arc<Connection>,
    messages: mpsc::Sender<Message>,
    /// The version up to which everything has been told; none before the first list, and when what
    /// came after it is lost.
    position: Option<String>,
    /// Until when no streaming list is tried.
    paged_until: Option<Instant>,
    backoff: Backoff,
    patience: Patience,
    kind: std::marker::PhantomData<W>,
}

impl<W: Watched> Reflector<W> {
    pub(super) fn new(
        connection: Arc<Connection>,
        messages: mpsc::Sender<Message>,
        patience: Patience,
    ) -> Self {
        Self {
            patience,
            connection,
            messages,
            position: None,
            paged_until: None,
            backoff: Backoff::default(),
            kind: std::marker::PhantomData,
        }
    }

    /// Goes on until nobody listens.
    pub(super) async fn run(mut self) {
        loop {
            let failure = match self.turn().await {
                Ok(()) => continue,
                Err(Stop::Deaf) => return,
                Err(Stop::Failure(failure)) => failure,
            };
            if self.recover(failure).await.is_err() {
                return;
            }
        }
    }

    /// One list, or one watch to its end.
    async fn turn(&mut self) -> Result<(), Stop> {
        match self.position.clone() {
            Some(version) => self.watch(version).await,
            None if self.is_paged() => self.list_pages().await,
            None => self.list_streaming().await,
        }
    }

    fn is_paged(&self) -> bool {
        self.paged_until.is_some_and(|until| Instant::now() < until)
    }

    /// Says what went wrong, draws the consequences, and waits.
    async fn recover(&mut self, failure: Failure) -> Result<(), Deaf> {
        let resource = Resource::of(W::KIND);
        tracing::debug!(kind = resource.plural, %failure, "list or watch ended");
        match &failure {
            // A matter of course: servers forget after some minutes.
            Failure::Expired => self.position = None,
            Failure::Unauthorized(_) | Failure::Unreachable(_) => {
                if let Err(error) = self.connection.renew().await {
                    self.tell(News::Failed(error.to_string())).await?;
                }
            }
            _ => {}
        }
        self.tell(News::Failed(failure.to_string())).await?;
        let wait = self.backoff.wait(failure.retry_after());
        tokio::select! {
            () = tokio::time::sleep(wait) => Ok(()),
            // Another watch has reached the server.
            () = self.connection.reached(), if matches!(failure, Failure::Unreachable(_)) => Ok(()),
            () = self.messages.closed() => Err(Deaf),
        }
    }

    async fn watch(&mut self, version: String) -> Result<(), Stop> {
        let begin = Instant::now();
        let mut lines = self.open(&watch_params(false), &version).await?;
        self.tell(News::Following).await?;
        let news = self.follow(&mut lines).await;
        if begin.elapsed() < BRIEF && self.position.as_deref() == Some(version.as_str()) {
            // It brought nothing. Once may be chance.
            news?;
            return Err(Failure::Brief.into());
        }
        self.backoff.succeeded();
        match news {
            Err(Stop::Failure(Failure::Silent(_))) => Ok(self.look_behind().await?),
            other => other,
        }
    }

    /// After silence: the connection may be dead, which the next attempt tells, or the server lives in
    /// an earlier time than this (its store was restored from a backup), in which it tells nothing until
    /// it gets to where we are.
    async fn look_behind(&mut self) -> Result<(), Failure> {
        let text = self.page(&ListParams::default().limit(1)).await?;
        let page: Page<'_> = serde_json::from_str(&text).map_err(Failure::Unintelligible)?;
        let position = self.position.as_deref().unwrap_or_default();
        if is_before(&page.metadata.resource_version, position) {
            return Err(Failure::Expired);
        }
        Ok(())
    }

    /// Watches from a list that comes as events.
    async fn list_streaming(&mut self) -> Result<(), Stop> {
        let opened = self.open(&watch_params(true), "").await;
        let mut lines = match opened {
            // A server that hangs is no better than one that does not know of streaming lists.
            Err(failure @ (Failure::Invalid(_) | Failure::Silent(_))) => {
                self.fall_back(&failure.to_string());
                return Ok(());
            }
            other => other?,
        };
        self.tell(News::ListBegins).await?;
        loop {
            let line = match lines.next(self.patience.answer).await {
                // A server that does not know of streaming lists does not end them.
                Err(Failure::Silent(_)) => {
                    self.fall_back("no end of the list came");
                    return Ok(());
                }
                other => other?,
            };
            let Some(line) = line else {
                return Err(Failure::Half.into());
            };
            match understand::<W>(line)? {
                Event::News(news, _) => self.tell(*news).await?,
                Event::Bookmark { version, ends_list } if ends_list => {
                    self.position = Some(version);
                    break;
                }
                Event::Bookmark { .. } | Event::Other => {}
                Event::Error(status) => return Err(ended::<W>(&status).into()),
            }
        }
        self.tell(News::ListEnds).await?;
        self.tell(News::Following).await?;
        self.backoff.succeeded();
        match self.follow(&mut lines).await {
            Err(Stop::Failure(Failure::Silent(_))) => Ok(self.look_behind().await?),
            other => other,
        }
    }

    fn fall_back(&mut self, words: &str) {
        let kind = Resource::of(W::KIND).plural;
        tracing::info!(
            kind,
            why = words,
            "no streaming lists here; listing by pages"
        );
        self.paged_until = Some(Instant::now() + PROBE_AGAIN);
    }

    /// All that comes to the end of a watch.
    async fn follow(&mut self, lines: &mut Lines) -> Result<(), Stop> {
        while let Some(line) = lines.next(self.patience.idle).await? {
            match understand::<W>(line)? {
                Event::News(news, version) => {
                    self.tell(*news).await?;
                    self.advance(version)?;
                }
                Event::Bookmark { version, .. } => self.advance(version)?,
                Event::Error(status) => return Err(ended::<W>(&status).into()),
                Event::Other => {}
            }
        }
        Ok(())
    }

    fn advance(&mut self, version: String) -> Result<(), Failure> {
        let position = self.position.as_deref().unwrap_or_default();
        if is_before(&version, position) {
            return Err(Failure::Expired);
        }
        if !version.is_empty() {
            self.position = Some(version);
        }
        Ok(())
    }

    async fn list_pages(&mut self) -> Result<(), Stop> {
        self.tell(News::ListBegins).await?;
        let mut params = ListParams::default().limit(PAGE);
        loop {
            let text = self.page(&params).await?;
            let page: Page<'_> = serde_json::from_str(&text).map_err(Failure::Unintelligible)?;
            for item in page.items.iter().flatten() {
                let news = decode::item::<W>(item).map_err(Failure::Unintelligible)?;
                self.tell(news).await?;
            }
            match page.metadata.next.filter(|next| !next.is_empty()) {
                Some(next) => params.continue_token = Some(next),
                None if page.metadata.resource_version.is_empty() => {
                    return Err(Failure::Half.into());
                }
                None => {
                    self.position = Some(page.metadata.resource_version);
                    break;
                }
            }
        }
        self.tell(News::ListEnds).await?;
        self.backoff.succeeded();
        Ok(())
    }

    async fn page(&self, params: &ListParams) -> Result<String, Failure> {
        let resource = Resource::of(W::KIND);
        let request = Request::new(resource.path()).list(params);
        let request = request.map_err(|error| Failure::Invalid(error.to_string()))?;
        let client = self.connection.client();
        match timeout(self.patience.answer, client.request_text(request)).await {
            Ok(answer) => answer.map_err(|error| Failure::of_client(error, resource, "list")),
            Err(_) => Err(Failure::Silent(self.patience.answer)),
        }
    }

    async fn open(&self, params: &WatchParams, version: &str) -> Result<Lines, Failure> {
        let resource = Resource::of(W::KIND);
        let request = Request::new(resource.path()).watch(params, version);
        let request = request.map_err(|error| Failure::Invalid(error.to_string()))?;
        let client = self.connection.client();
        match timeout(self.patience.answer, client.request_stream(request)).await {
            Ok(Ok(stream)) => {
                self.connection.has_reached();
                Ok(Lines::new(stream))
            }
            Ok(Err(error)) => Err(Failure::of_client(error, resource, "watch")),
            Err(_) => Err(Failure::Silent(self.patience.answer)),
        }
    }

    async fn tell(&self, news: News) -> Result<(), Deaf> {
        let message = Message {
            at: Instant::now(),
            kind: W::KIND,
            news,
        };
        self.messages.send(message).await.map_err(|_| Deaf)
    }
}

/// Whether a version is of an earlier time than another; versions that are no numbers tell nothing.
fn is_before(version: &str, other: &str) -> bool {
    match (version.parse::<u64>(), other.parse::<u64>()) {
        (Ok(version), Ok(other)) => version < other,
        _ => false,
    }
}

fn understand<W: Watched>(line: &[u8]) -> Result<Event, Failure> {
    decode::event::<W>(line).map_err(Failure::Unintelligible)
}

/// What it means that the server ends a watch with an error.
fn ended<W: Watched>(status: &Status) -> Failure {
    Failure::of_status(status, Resource::of(W::KIND), "watch")
}

fn watch_params(streaming_list: bool) -> WatchParams {
    // Not all watches of all nodes end together.
    WatchParams {
        bookmarks: true,
        timeout: Some(240 + chance(50)),
        send_initial_events: streaming_list,
        ..WatchParams::default()
    }
}
