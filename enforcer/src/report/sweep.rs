//! Deleting what nodes that are gone left behind. Every daemon sees the same nodes go, and
//! [`rank`] tells each how many others will see to it first; who finds nothing left does nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use tokio::sync::{mpsc, oneshot};

use super::backoff::spread;
use super::counters::{Count, Counters};
use super::failure::Failure;
use super::name::label_value;
use super::object::NODE_LABEL;
use super::pace::{Limit, Pace, chance};
use super::rendezvous::rank;
use super::server::Server;
use crate::api::server::Question;

/// How many daemons keep an eye on one node that went: the first may have gone too.
const WATCHERS: usize = 3;

pub(super) struct Sweeper {
    server: Server,
    pace: Pace,
    questions: mpsc::Sender<Question>,
    limit: Arc<Limit>,
    counters: Counters,
    /// The nodes at the last look.
    nodes: BTreeSet<String>,
    /// Nodes that went, and when to clean up behind them.
    gone: BTreeMap<String, Instant>,
    /// When to look for everything that nobody saw go.
    sweep_at: Option<Instant>,
    /// The turn that was last decided about.
    turn: u64,
}

impl Sweeper {
    pub(super) fn new(
        server: Server,
        pace: Pace,
        questions: mpsc::Sender<Question>,
        limit: Arc<Limit>,
        counters: Counters,
    ) -> Self {
        Self {
            server,
            pace,
            questions,
            limit,
            counters,
            nodes: BTreeSet::new(),
            gone: BTreeMap::new(),
            sweep_at: None,
            turn: 0,
        }
    }

    pub(super) async fn run(mut self) {
        loop {
            let (answer, nodes) = oneshot::channel();
            if self
                .questions
                .send(Question::Nodes { answer })
                .await
                .is_err()
            {
                return;
            }
            let Ok(nodes) = nodes.await else {
                return;
            };
            // Without this node the list is not the cluster's, not yet or not any more.
            if nodes.contains(self.server.node()) {
                self.look(nodes, Instant::now());
                if let Err(failure) = self.clean().await {
                    self.counters.raise(Count::Failures);
                    tracing::debug!(%failure, "cannot clean up behind nodes that went");
                }
            }
            tokio::time::sleep(self.pace.nodes).await;
        }
    }

    /// Decides what there will be to do.
    fn look(&mut self, nodes: BTreeSet<String>, now: Instant) {
        let me = self.server.node();
        for gone in self.nodes.difference(&nodes) {
            let rank = rank(gone, me, &nodes);
            if let Some(turns) = u32::try_from(rank).ok().filter(|_| rank < WATCHERS) {
                let delay = spread(Duration::ZERO, self.pace.gone, chance());
                let at = now + delay + self.pace.gone.saturating_mul(2 * turns);
                self.gone.insert(gone.clone(), at);
            }
        }
        self.gone.retain(|node, _| !nodes.contains(node));
        let turn = turn(self.pace.sweep);
        if turn != self.turn {
            let task = format!("sweep {turn}");
            let mine = rank(&task, me, &nodes) == 0;
            let delay = spread(Duration::ZERO, self.pace.sweep / 2, chance());
            self.sweep_at = mine.then(|| now + delay);
            self.turn = turn;
        }
        self.nodes = nodes;
    }

    /// Does what is due.
    async fn clean(&mut self) -> Result<(), Failure> {
        let now = Instant::now();
        let due = self.gone.iter().filter(|(_, at)| **at <= now);
        let due: Vec<String> = due.map(|(node, _)| node.clone()).collect();
        for node in due {
            if !self.server.has_node(&node).await? {
                self.clear(Some(&node), |_| true).await?;
            }
            self.gone.remove(&node);
        }
        if self.sweep_at.is_some_and(|at| at <= now) {
            self.sweep().await?;
            self.sweep_at = None;
        }
        Ok(())
    }

    /// Deletes all objects of nodes that do not exist.
    async fn sweep(&mut self) -> Result<(), Failure> {
        let known: BTreeSet<String> = self.nodes.iter().map(|node| label_value(node)).collect();
        self.clear(None, |label| !known.contains(label)).await
    }

    /// Deletes the objects of a node, or of all whose node label is `wrong`.
    async fn clear(&self, node: Option<&str>, wrong: impl Fn(&str) -> bool) -> Result<(), Failure> {
        let mut token = None;
        let mut gone = BTreeMap::new();
        loop {
            let (page, next) = self.server.page(node, token).await?;
            for object in page {
                let Some(label) = label(&object).filter(|label| wrong(label)) else {
                    continue;
                };
                if node.is_none() && !self.is_gone(&label, &mut gone).await? {
                    continue;
                }
                self.delete(object).await?;
            }
            if next.is_none() {
                return Ok(());
            }
            token = next;
        }
    }

    /// Whether there is no node behind a label. The name of one that is too long for a label is
    /// not in it; then the list of nodes is believed.
    async fn is_gone(
        &self,
        label: &str,
        known: &mut BTreeMap<String, bool>,
    ) -> Result<bool, Failure> {
        if let Some(gone) = known.get(label) {
            return Ok(*gone);
        }
        let gone = !self.server.has_node(label).await?;
        known.insert(label.to_owned(), gone);
        Ok(gone)
    }

    async fn delete(&self, object: ObjectMeta) -> Result<(), Failure> {
        let (Some(namespace), Some(name)) = (object.namespace, object.name) else {
            return Ok(());
        };
        self.limit.token().await;
        // By uid: a node of the same name may have come meanwhile.
        if self.server.remove(&namespace, &name, object.uid).await? {
            self.counters.raise(Count::Swept);
        }
        Ok(())
    }
}

fn label(object: &ObjectMeta) -> Option<String> {
    object.labels.as_ref()?.get(NODE_LABEL).cloned()
}

/// Which turn it is; the same on all nodes whose clocks agree.
fn turn(every: Duration) -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap_or_default().as_secs() / every.as_secs().max(1)
}
