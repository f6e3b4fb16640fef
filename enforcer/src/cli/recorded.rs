//! Where recorded flows come from.

use std::io;
use std::path::Path;

use enforcer_flows::Query;
use enforcer_policy::model::Cluster;

use super::cluster::ClusterArgs;
use crate::api::client::{self, ClientError};
use crate::api::flows::Line;
use crate::fleet::flows::Told;
use crate::recorded::{Log, ReadError, read_file};
use crate::source::problem::Problem;

/// Why there are no records.
#[derive(Debug, thiserror::Error)]
pub(super) enum FlowsError {
    /// The file.
    #[error(transparent)]
    File(#[from] ReadError),
    /// The daemon.
    #[error("{0}; or name a file of `enforcer flows --output json`")]
    Daemon(#[from] ClientError),
    /// The daemons of the cluster, or its API server.
    #[error("{0:#}")]
    Cluster(#[from] anyhow::Error),
    /// A file has all records that it has.
    #[error("--since asks daemons: give it to `enforcer flows`, where the file comes from")]
    Since,
}

/// Reads a file; `-` is standard input.
pub(super) fn of_file(path: &Path, query: &Query) -> Result<Log, FlowsError> {
    if query.since.is_some() {
        return Err(FlowsError::Since);
    }
    Ok(read_file(path)?)
}

/// Asks this node's daemon.
pub(super) fn of_daemon(socket: &Path, query: Query) -> Result<Log, FlowsError> {
    let mut log = Log::default();
    let since = query.since;
    for line in client::flows(socket, query)? {
        match line? {
            Line::Record(record) => log.take(&record),
            Line::Missed { missed, .. } => log.lost.missed += missed,
            // The client has made an error of it.
            Line::Failed { .. } => {}
        }
    }
    log.lost.tell(&client::summary(socket)?, since);
    Ok(log)
}

/// What a cluster is, as its API server says.
pub(super) struct World {
    pub(super) log: Log,
    pub(super) cluster: Option<Cluster>,
    /// What could not be understood.
    pub(super) problems: Vec<Problem>,
}

/// Asks the daemons of all nodes, and the API server for all objects where `objects` says so.
pub(super) fn of_cluster(
    args: &ClusterArgs,
    query: Query,
    objects: bool,
) -> Result<World, FlowsError> {
    let asked = ClusterArgs::block_on(async {
        let fleet = args.fleet().await?;
        let mut log = Log::default();
        let since = query.since;
        let reading = fleet.flows(
            query,
            |_| true,
            |told| -> anyhow::Result<bool> {
                match told {
                    Told::Record(record) => log.take(&record),
                    Told::Missed { missed, .. } => log.lost.missed += missed,
                    Told::Silent { node, why } => drop(log.lost.silent.insert(node, why)),
                    // About nodes that should have a daemon: those that have one are asked all the same.
                    Told::Note(_) => {}
                }
                Ok(true)
            },
        );
        reading.await?;
        let screen = fleet.status(|_, _| {}).await?;
        for row in screen.rows() {
            log.nodes.insert(row.node.as_str().into());
            match (&row.summary, &row.error) {
                (Some(summary), _) => log.lost.tell(summary, since),
                (None, why) => {
                    let silent = log.lost.silent.entry(row.node.clone());
                    silent.or_insert_with(|| why.clone().unwrap_or_default());
                }
            }
        }
        if !objects {
            return Ok((log, None, Vec::new()));
        }
        let (cluster, problems) = fleet.objects().await?;
        Ok((log, Some(cluster), problems))
    });
    let (log, cluster, problems) = asked?;
    Ok(World {
        log,
        cluster,
        problems,
    })
}

/// Says what is wrong with objects, and how many errors there are.
pub(super) fn tell(problems: &[Problem], err: &mut impl io::Write) -> io::Result<usize> {
    let mut count = 0;
    for problem in problems.iter().filter(|one| one.is_error()) {
        writeln!(err, "{problem}")?;
        count += 1;
    }
    Ok(count)
}
