//! `observer.Observer`.

use std::sync::Arc;
use std::time::Duration;

use enforcer_flows::Query;
use jiff::Timestamp;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

use crate::flows::{self, Wish};
use crate::node::Node;
use crate::proto::observer::observer_server::Observer;
use crate::proto::observer::{
    GetAgentEventsRequest, GetAgentEventsResponse, GetDebugEventsRequest, GetDebugEventsResponse,
    GetFlowsRequest, GetFlowsResponse, GetNamespacesRequest, GetNamespacesResponse,
    GetNodesRequest, GetNodesResponse, Namespace, Node as NodeAnswer, ServerStatusRequest,
    ServerStatusResponse, Tls,
};
use crate::proto::relay::NodeState;
use crate::source::{Reader, Source};

/// Answers that may wait for a client. Behind them the records wait where they are kept; what a client is
/// too slow for, it is told the number of.
const WAITING: usize = 64;

/// Over which time the rate of flows is told.
const RATE: Duration = Duration::from_secs(60);

/// Answers about flows.
pub struct Service<S> {
    source: Arc<S>,
    node: Arc<Node>,
}

impl<S: Source> Service<S> {
    /// Answers for a node.
    pub fn new(source: Arc<S>, node: Arc<Node>) -> Self {
        Self { source, node }
    }

    /// Flows in a second.
    async fn rate(&self) -> f64 {
        let since = Timestamp::now().checked_sub(RATE).ok();
        let query = Query {
            since,
            ..Query::default()
        };
        let mut reader = self.source.read(query);
        let mut flows: u32 = 0;
        while let Some(page) = reader.next().await {
            let more = u32::try_from(page.records.len()).unwrap_or(u32::MAX);
            flows = flows.saturating_add(more);
        }
        let span = RATE.min(self.source.uptime()).max(Duration::from_secs(1));
        f64::from(flows) / span.as_secs_f64()
    }

    fn this(&self, address: &str) -> NodeAnswer {
        let extent = self.source.extent();
        NodeAnswer {
            version: self.node.version.clone(),
            state: NodeState::NodeConnected.into(),
            uptime_ns: nanoseconds(self.source.uptime()),
            num_flows: extent.kept,
            max_flows: extent.most,
            seen_flows: extent.seen,
            ..self.other(&self.node.name, address)
        }
    }

    /// Of the others no more is known than where they are.
    fn other(&self, name: &str, address: &str) -> NodeAnswer {
        let tls = self.node.tls.then(|| Tls {
            enabled: true,
            server_name: self.node.server_name(name),
        });
        NodeAnswer {
            name: self.node.peer(name),
            address: address.to_owned(),
            state: NodeState::UnknownNodeState.into(),
            tls,
            ..NodeAnswer::default()
        }
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// No answer at all.
fn unanswered<T>(what: &str) -> Result<T, Status> {
    Err(Status::unimplemented(format!("enforcer keeps no {what}")))
}

#[tonic::async_trait]
impl<S: Source> Observer for Service<S> {
    type GetFlowsStream = ReceiverStream<Result<GetFlowsResponse, Status>>;
    type GetAgentEventsStream = ReceiverStream<Result<GetAgentEventsResponse, Status>>;
    type GetDebugEventsStream = ReceiverStream<Result<GetDebugEventsResponse, Status>>;

    async fn get_flows(
        &self,
        request: Request<GetFlowsRequest>,
    ) -> Result<Response<Self::GetFlowsStream>, Status> {
        let wish = Wish::read(request.into_inner())?;
        let (sender, receiver) = mpsc::channel(WAITING);
        let (source, node) = (self.source.clone(), self.node.clone());
        tokio::spawn(flows::answer(wish, source, node, sender));
        Ok(Response::new(ReceiverStream::new(receiver)))
    }

    async fn get_agent_events(
        &self,
        _: Request<GetAgentEventsRequest>,
    ) -> Result<Response<Self::GetAgentEventsStream>, Status> {
        unanswered("events of an agent")
    }

    async fn get_debug_events(
        &self,
        _: Request<GetDebugEventsRequest>,
    ) -> Result<Response<Self::GetDebugEventsStream>, Status> {
        unanswered("debug events")
    }

    async fn get_nodes(
        &self,
        _: Request<GetNodesRequest>,
    ) -> Result<Response<GetNodesResponse>, Status> {
        let mut peers = self.source.peers().borrow().clone();
        // It is there, whether it knows its address or not.
        peers.entry(self.node.name.clone()).or_default();
        let nodes = peers.iter().map(|(name, address)| {
            if *name == self.node.name {
                self.this(address)
            } else {
                self.other(name, address)
            }
        });
        let nodes = nodes.collect();
        Ok(Response::new(GetNodesResponse { nodes }))
    }

    async fn get_namespaces(
        &self,
        _: Request<GetNamespacesRequest>,
    ) -> Result<Response<GetNamespacesResponse>, Status> {
        let mut names = self.source.namespaces().await.ok_or_else(|| {
            Status::unavailable("the daemon is too busy to say, or stopping: ask again")
        })?;
        names.sort_unstable();
        let namespace = |namespace| Namespace {
            cluster: self.node.cluster.clone(),
            namespace,
        };
        let namespaces = names.into_iter().map(namespace).collect();
        Ok(Response::new(GetNamespacesResponse { namespaces }))
    }

    async fn server_status(
        &self,
        _: Request<ServerStatusRequest>,
    ) -> Result<Response<ServerStatusResponse>, Status> {
        let extent = self.source.extent();
        Ok(Response::new(ServerStatusResponse {
            num_flows: extent.kept,
            max_flows: extent.most,
            seen_flows: extent.seen,
            uptime_ns: nanoseconds(self.source.uptime()),
            version: self.node.version.clone(),
            flows_rate: self.rate().await,
            ..ServerStatusResponse::default()
        }))
    }
}
