//! Answers that rest on the daemon's own flow records and its own view of the cluster.

use enforcer_flows::Query;
use enforcer_policy::model::Cluster;
use tokio::sync::oneshot;

use super::Daemon;
use crate::api::recorded::{
    RecordedAnswer, ReplayAnswer, ReplayRequest, SuggestAnswer, SuggestRequest,
};
use crate::flow::store::FlowStore;
use crate::recorded::Log;
use crate::screen::Summary;

/// What an answer rests on.
struct Basis {
    cluster: Cluster,
    flows: FlowStore,
    log: Log,
}

impl Daemon {
    pub(super) fn answer_suggest(
        &self,
        request: SuggestRequest,
        answer: oneshot::Sender<SuggestAnswer>,
    ) {
        let SuggestRequest { query, options } = request;
        self.answer_recorded(query, answer, move |log, cluster| {
            SuggestAnswer::suggest(log, cluster, &options)
        });
    }

    pub(super) fn answer_replay(
        &self,
        request: ReplayRequest,
        answer: oneshot::Sender<ReplayAnswer>,
    ) {
        let ReplayRequest { query, change } = request;
        self.answer_recorded(query, answer, move |log, cluster| {
            ReplayAnswer::replay(log, cluster, change)
        });
    }

    /// Reads the records beside the loop, and lets another thread think about them.
    fn answer_recorded<T: Send + 'static>(
        &self,
        query: Query,
        answer: oneshot::Sender<RecordedAnswer<T>>,
        think: impl FnOnce(&Log, &Cluster) -> RecordedAnswer<T> + Send + 'static,
    ) {
        if !self.source.is_synced() {
            let error = format!("not ready: {}", self.source.faults().join("; "));
            return drop(answer.send(RecordedAnswer::Failed { error }));
        }
        let basis = self.basis(&query);
        tokio::spawn(async move {
            let (log, cluster) = basis.read(query).await;
            // A client that went away needs no answer.
            tokio::task::spawn_blocking(move || answer.send(think(&log, &cluster)));
        });
    }

    fn basis(&self, query: &Query) -> Basis {
        let mut log = Log::default();
        log.lost.tell(&Summary::of(&self.status()), query.since);
        // Where nothing happened, nothing is missing.
        let node = self.options.node.as_ref();
        log.nodes.extend(node.map(|node| node.as_str().into()));
        Basis {
            cluster: self.compiler.cluster().clone(),
            flows: self.flows.clone(),
            log,
        }
    }
}

impl Basis {
    async fn read(self, query: Query) -> (Log, Cluster) {
        let Self {
            cluster,
            flows,
            mut log,
        } = self;
        let query = Query {
            follow: false,
            ..query
        };
        let mut reader = flows.read(query);
        while let Some(page) = reader.next().await {
            log.lost.missed += page.missed;
            for record in &page.records {
                log.take(record);
            }
            // The daemon has other work.
            tokio::task::yield_now().await;
        }
        (log, cluster)
    }
}
