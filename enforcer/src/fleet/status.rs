//! All nodes of a cluster in numbers.

use std::num::NonZeroUsize;

use futures_util::{StreamExt as _, stream};
use jiff::Timestamp;
use kube::Client;

use super::FleetError;
use super::ask::Peer;
use super::daemons::{Census, Place, census};
use crate::screen::{ClusterScreen, Row};

/// Which daemons, and how.
#[derive(Clone)]
pub struct Fleet {
    /// A client of the API server.
    pub client: Client,
    /// The daemons' namespace.
    pub namespace: String,
    /// How many daemons are asked at a time.
    pub parallel: NonZeroUsize,
}

impl Fleet {
    /// Asks every daemon how it is, some at a time. `progress` is told how many of how many have answered.
    ///
    /// # Errors
    /// When nobody can say which nodes there are. That a node does not answer is part of the answer.
    pub async fn status(
        &self,
        mut progress: impl FnMut(usize, usize),
    ) -> Result<ClusterScreen, FleetError> {
        let Census { places, notes } = census(&self.client, &self.namespace).await?;
        let all = places.len();
        progress(0, all);
        let asked = places.into_iter().map(|place| self.row(place));
        let mut asked = stream::iter(asked).buffer_unordered(self.parallel.get());
        let mut rows = Vec::with_capacity(all);
        while let Some(row) = asked.next().await {
            rows.push(row);
            progress(rows.len(), all);
        }
        let now = Timestamp::now();
        Ok(ClusterScreen::new(&self.namespace, rows, notes, now))
    }

    /// The daemon that is in a pod.
    pub(super) fn peer(&self, place: &Place) -> Result<Peer, String> {
        let port = place.port.clone()?;
        Ok(Peer {
            client: self.client.clone(),
            namespace: self.namespace.clone(),
            pod: place.pod.clone().unwrap_or_default(),
            port,
        })
    }

    async fn row(&self, place: Place) -> Row {
        let summary = match self.peer(&place) {
            Ok(peer) => peer.summary().await.map_err(|error| error.to_string()),
            Err(why) => Err(why),
        };
        let (summary, error) = match summary {
            Ok(summary) => (Some(summary), None),
            Err(why) => (None, Some(why)),
        };
        Row {
            node: place.node,
            pod: place.pod,
            error,
            summary,
        }
    }
}
