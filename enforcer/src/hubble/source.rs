//! The daemon's records, as the services read them.

use std::time::{Duration, Instant};

use enforcer_flows::{Page, Query};
use enforcer_hubble::{Extent, Peers, Source};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::timeout;

use crate::api::server::Question;
use crate::flow::store::{FlowStore, Reader};

/// How long the daemon's loop may be busy with something else.
const PATIENCE: Duration = Duration::from_secs(10);

/// The daemon's records, and what it knows of the cluster.
pub(super) struct Records {
    pub(super) flows: FlowStore,
    pub(super) peers: watch::Receiver<Peers>,
    pub(super) questions: mpsc::Sender<Question>,
    pub(super) begin: Instant,
}

impl Source for Records {
    type Reader = Reader;

    fn read(&self, query: Query) -> Reader {
        self.flows.read(query)
    }

    fn extent(&self) -> Extent {
        let extent = self.flows.extent();
        Extent {
            kept: extent.kept as u64,
            most: extent.limits.records as u64,
            seen: extent.seen,
        }
    }

    fn uptime(&self) -> Duration {
        self.begin.elapsed()
    }

    async fn namespaces(&self) -> Option<Vec<String>> {
        let (answer, answered) = oneshot::channel();
        let asked = async {
            let question = Question::Namespaces { answer };
            self.questions.send(question).await.ok()?;
            answered.await.ok()
        };
        let names = timeout(PATIENCE, asked).await.ok().flatten()?;
        Some(names.into_iter().collect())
    }

    fn peers(&self) -> watch::Receiver<Peers> {
        self.peers.clone()
    }
}

impl enforcer_hubble::Reader for Reader {
    async fn next(&mut self) -> Option<Page> {
        Self::next(self).await
    }
}
