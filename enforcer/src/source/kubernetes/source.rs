//! The source that the daemon takes changes from, and the thread that watches.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use enforcer_policy::model::{Change, Cluster};
use jiff::Timestamp;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::timeout_at;

use super::connection::Connection;
use super::kinds::{
    EndpointSlices, Namespaces, NetworkPolicies, Nodes, Pods, Resource, Services, Watched,
};
use super::ledger::{Behind, Ledger};
use super::message::{Message, News};
use super::reflector::{Patience, Reflector};
use crate::kubernetes::client::{Access, ConnectError};
use crate::source::manifests::Kind;
use crate::source::problem::Problem;

/// How many messages may wait. When the daemon is busy for longer, the API server waits, too.
const WAITING: usize = 1024;

/// After changes were taken, the next are collected for at least so long. What comes later than that
/// is taken at once.
const COLLECT: Duration = Duration::from_millis(10);

/// But never for longer than this.
const COLLECT_AT_MOST: Duration = Duration::from_millis(500);

/// So many messages are enough, however short they were collected.
const ENOUGH: usize = 4096;

/// Why the cluster cannot be watched at all.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// No client.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The system refuses a thread, or what that needs.
    #[error("cannot start to watch the cluster: {0}")]
    Thread(#[from] std::io::Error),
}

/// The cluster is not watched any more.
#[derive(Debug, thiserror::Error)]
#[error(
    "the thread that watches the cluster has ended, which is a bug; what is attached stays in force"
)]
pub struct Ended;

/// A cluster that is being watched.
#[derive(Debug)]
pub struct KubernetesSource {
    messages: mpsc::Receiver<Message>,
    waiting: Vec<Message>,
    ledger: Ledger,
    /// Until when what comes is only collected.
    collect: Option<Instant>,
    /// What came of each kind.
    told: BTreeMap<Kind, Told>,
}

/// What came of a kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// How often its watch has begun.
    pub begun: u64,
    /// Objects that were told, in lists and after them.
    pub objects: u64,
}

impl KubernetesSource {
    /// Begins to watch, on a thread of its own. `node` is the name of this node.
    ///
    /// # Errors
    /// When there is nothing to connect to. A server that does not answer is no error: it may come.
    pub async fn start(
        access: Access,
        node: String,
        patience: Patience,
    ) -> Result<Self, StartError> {
        let (sender, messages) = mpsc::channel(WAITING);
        let (started, outcome) = oneshot::channel();
        let name = node.clone();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        std::thread::Builder::new()
            .name("kubernetes".to_owned())
            .spawn(move || runtime.block_on(watch(access, name, patience, sender, started)))?;
        outcome
            .await
            .map_err(|_| std::io::Error::other("its thread ended"))??;
        Ok(Self {
            messages,
            waiting: Vec::new(),
            ledger: Ledger::new(node),
            collect: None,
            told: BTreeMap::new(),
        })
    }

    /// Waits until there is something to take. Can be dropped at any time.
    ///
    /// # Errors
    /// When nothing will ever come again.
    pub async fn changed(&mut self) -> Result<(), Ended> {
        loop {
            let room = ENOUGH.saturating_sub(self.waiting.len());
            if room == 0 {
                return Ok(());
            }
            if self.waiting.is_empty() {
                if self.messages.recv_many(&mut self.waiting, room).await == 0 {
                    return Err(Ended);
                }
                continue;
            }
            let until = self.collect.filter(|until| *until > Instant::now());
            let Some(until) = until else {
                return Ok(());
            };
            let more = self.messages.recv_many(&mut self.waiting, room);
            if !matches!(timeout_at(until.into(), more).await, Ok(1..)) {
                return Ok(());
            }
        }
    }

    /// What is to be put into force now, and when the oldest of it arrived; `cluster` is what is in
    /// force. Until every kind has been listed whole: nothing.
    pub fn take(&mut self, cluster: &Cluster) -> (Vec<Change>, Option<Instant>) {
        let before = self.ledger.behind();
        for message in self.waiting.drain(..) {
            let told = self.told.entry(message.kind).or_default();
            match message.news {
                News::Following => told.begun += 1,
                News::Put { .. } | News::Refused(..) | News::Gone(_) => told.objects += 1,
                News::ListBegins | News::ListEnds | News::Failed(_) => {}
            }
            self.ledger.take_in(message, cluster);
        }
        tell(&before, &self.ledger.behind());
        self.rest(Duration::ZERO);
        self.ledger.take_out()
    }

    /// To put into force what was taken took this long. While changes storm, two thirds of the time at
    /// least are for others.
    pub fn rest(&mut self, effort: Duration) {
        self.collect = Some(Instant::now() + (effort * 2).clamp(COLLECT, COLLECT_AT_MOST));
    }

    /// Whether every kind has been listed whole at least once.
    pub fn is_synced(&self) -> bool {
        self.ledger.is_synced()
    }

    /// What keeps this from telling what is.
    pub fn faults(&self) -> Vec<String> {
        self.ledger
            .behind()
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    /// The kinds whose changes are not seen now, by their plurals, and since when, if that failed.
    pub fn behind(&self) -> Vec<(&'static str, Option<Timestamp>)> {
        let behind = self.ledger.behind().into_iter();
        behind
            .map(|one| {
                let since = one.failure.map(|(since, _)| since);
                (Resource::of(one.kind).plural, since)
            })
            .collect()
    }

    /// What came of each kind, by its plural.
    pub fn told(&self) -> BTreeMap<&'static str, Told> {
        let told = |kind| self.told.get(kind).copied().unwrap_or_default();
        let kinds = Kind::ALL.iter();
        kinds
            .map(|kind| (Resource::of(*kind).plural, told(kind)))
            .collect()
    }

    /// What cannot be taken now.
    pub fn problems(&self) -> impl Iterator<Item = &Problem> {
        self.ledger.problems()
    }
}

/// Logs what failed or recovered, once for each change of state.
fn tell(before: &[Behind], now: &[Behind]) {
    let failing = |all: &[Behind], kind| {
        let mut all = all.iter();
        all.any(|one| one.kind == kind && one.failure.is_some())
    };
    for behind in now.iter().filter(|one| !failing(before, one.kind)) {
        if behind.failure.is_some() {
            tracing::warn!("{behind}");
        }
    }
    for behind in before.iter().filter(|one| one.failure.is_some()) {
        if !failing(now, behind.kind) {
            let kind = Resource::of(behind.kind).plural;
            tracing::info!(kind, "the API server tells again");
        }
    }
}

async fn watch(
    access: Access,
    node: String,
    patience: Patience,
    messages: mpsc::Sender<Message>,
    started: oneshot::Sender<Result<(), ConnectError>>,
) {
    let connection = match Connection::new(access, node).await {
        Ok(connection) => Arc::new(connection),
        Err(error) => return drop(started.send(Err(error))),
    };
    // The daemon may have gone; then the reflectors notice that.
    let _ = started.send(Ok(()));
    let mut all = JoinSet::new();
    start::<Nodes>(&mut all, &connection, &messages, patience);
    start::<Namespaces>(&mut all, &connection, &messages, patience);
    start::<Pods>(&mut all, &connection, &messages, patience);
    start::<NetworkPolicies>(&mut all, &connection, &messages, patience);
    start::<Services>(&mut all, &connection, &messages, patience);
    start::<EndpointSlices>(&mut all, &connection, &messages, patience);
    // They end together, when nobody listens. One that ends alone has a bug; the daemon must hear of it.
    all.join_next().await;
}

fn start<W: Watched>(
    all: &mut JoinSet<()>,
    connection: &Arc<Connection>,
    messages: &mpsc::Sender<Message>,
    patience: Patience,
) {
    let connection = Arc::clone(connection);
    let reflector = Reflector::<W>::new(connection, messages.clone(), patience);
    all.spawn(reflector.run());
}

#[cfg(test)]
mod tests {
    use enforcer_policy::model::Namespace;
    use futures_util::FutureExt as _;

    use super::*;

    /// A source of messages that the test sends; all kinds have been listed.
    fn synced(room: usize) -> (mpsc::Sender<Message>, KubernetesSource) {
        let (sender, messages) = mpsc::channel(room);
        let mut source = KubernetesSource {
            messages,
            waiting: Vec::new(),
            ledger: Ledger::new("n1".to_owned()),
            collect: None,
            told: BTreeMap::new(),
        };
        for kind in Kind::ALL {
            for news in [News::ListBegins, News::ListEnds] {
                let at = Instant::now();
                source.waiting.push(Message { at, kind, news });
            }
        }
        source.take(&Cluster::default());
        assert!(source.is_synced());
        source.collect = None;
        (sender, source)
    }

    fn namespace(number: usize) -> Message {
        let name = format!("x-{number}");
        let namespace = Namespace::implied(&name);
        Message {
            at: Instant::now(),
            kind: Kind::Namespace,
            news: News::Put {
                change: Change::Namespace(name.clone(), Some(namespace)),
                uid: name,
            },
        }
    }

    #[tokio::test]
    async fn the_first_change_is_taken_at_once_and_those_behind_it_together() {
        let (sender, mut source) = synced(100);
        sender.send(namespace(0)).await.unwrap();
        assert!(matches!(source.changed().now_or_never(), Some(Ok(()))));
        assert_eq!(source.take(&Cluster::default()).0.len(), 1);
        let begin = Instant::now();
        source.rest(COLLECT_AT_MOST * 10);
        for number in 1..50 {
            sender.send(namespace(number)).await.unwrap();
            assert!(source.changed().now_or_never().is_none());
        }
        source.changed().await.unwrap();
        assert_eq!(source.take(&Cluster::default()).0.len(), 49);
        assert!(begin.elapsed() >= COLLECT_AT_MOST);
    }

    #[tokio::test]
    async fn however_soon_enough_is_enough() {
        let (sender, mut source) = synced(2 * ENOUGH);
        for number in 0..2 * ENOUGH {
            sender.send(namespace(number)).await.unwrap();
        }
        for _ in 0..2 {
            // Longer than any test lasts.
            source.collect = Some(Instant::now() + Duration::from_secs(3600));
            source.changed().await.unwrap();
            assert_eq!(source.take(&Cluster::default()).0.len(), ENOUGH);
        }
    }

    #[tokio::test]
    async fn watches_and_objects_are_counted_by_their_kind() {
        let (sender, mut source) = synced(10);
        let nothing = Told::default();
        assert!(source.told().values().all(|kind| *kind == nothing));
        for _ in 0..3 {
            let message = Message {
                at: Instant::now(),
                kind: Kind::Pod,
                news: News::Following,
            };
            sender.send(message).await.unwrap();
        }
        sender.send(namespace(1)).await.unwrap();
        source.changed().await.unwrap();
        source.take(&Cluster::default());
        let (begun, objects) = (3, 0);
        assert_eq!(source.told()["pods"], Told { begun, objects });
        assert_eq!(source.told()["namespaces"].objects, 1);
        assert_eq!(source.told()["services"], nothing);
    }

    #[tokio::test]
    async fn a_thread_that_ended_is_no_silence() {
        let (sender, mut source) = synced(1);
        drop(sender);
        assert!(source.changed().await.is_err());
    }
}
