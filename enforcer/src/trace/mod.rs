//! What becomes of a new connection, anywhere in the cluster, and why.
//!
//! ```text
//! question ─→ party: who the ends are ─→ frame ─→ judge at the source, judge at the destination
//!     │                                   ↑         └─→ answer, with the words of the policies
//!     └─→ service: who is behind it ──────┘ (once for each backend)
//! ```
//!
//! The verdict comes from the algorithm that the kernel runs, over the tables that the compiler
//! makes for it, and never from the explanation.

mod answer;
mod batch;
pub mod cut;
mod party;
mod query;
pub mod replay;
mod service;
mod text;

pub use answer::{
    Answer, BackendAnswer, Ends, NOT_A_POD, Nearest, Part, RuleName, ServiceName, Verdict,
};
pub use batch::{Summary, batch};
pub use party::PartyError;
pub use query::{Question, QuestionError};
pub use text::write_text;

use std::net::IpAddr;

use enforcer_common::Reason;
use enforcer_common::abi::{Direction, Endpoint};
use enforcer_policy::compile::{Capacity, Compiler, Scope};
use enforcer_policy::explain::{PeerIdentity, PeerSide, explain_by};
use enforcer_policy::model::{Cluster, PodKey};
use enforcer_policy::rule::PolicyKey;
use enforcer_policy::tables::Tables;

use crate::datapath::frame;
use crate::datapath::judge::{Arrival, Judge, JudgeError, LINK, OTHER_LINK};
use crate::datapath::memory::Memory;
use crate::datapath::probe::Probe;
use party::{Parties, Party};
use query::{Service, Side};

/// Why a question has no answer.
#[derive(Debug, thiserror::Error)]
pub enum TraceError {
    /// It cannot be understood.
    #[error(transparent)]
    Question(#[from] QuestionError),
    /// One of its ends cannot be asked about.
    #[error(transparent)]
    Party(#[from] PartyError),
    /// There is no verdict.
    #[error(transparent)]
    Judge(#[from] JudgeError),
}

/// Answers questions about one cluster.
pub struct Tracer {
    compiler: Compiler,
    parties: Parties,
    judge: Box<dyn Judge>,
    /// The last endpoint number that was used. Every packet gets a new one, so that it belongs to
    /// no flow.
    last: u32,
}

/// The verdict, what it rests on, and what else one should know.
type Found = (Verdict, Ends, Vec<String>);

/// A connection between known ends.
struct Connection {
    protocol: u8,
    port: u16,
    source: IpAddr,
    destination: IpAddr,
    /// It was sent to a service, and this is what the sender's node has made of it.
    translated: bool,
    /// The sender's node has put its own address in the place of the source.
    masqueraded: bool,
    frame: Vec<u8>,
}

impl Connection {
    fn new(service: Service, source: IpAddr, destination: IpAddr) -> Result<Self, TraceError> {
        let protocol = service.number(destination);
        let port = service.port().unwrap_or_default();
        let frame = frame::opening(source, destination, protocol, port);
        Ok(Self {
            protocol,
            port,
            source,
            destination,
            translated: false,
            masqueraded: false,
            frame: frame.ok_or(PartyError::NoCommonFamily)?,
        })
    }
}

impl Tracer {
    /// Asks the verdict algorithm on this host.
    pub fn on_host(cluster: &Cluster) -> Self {
        let (compiler, parties) = compile(cluster);
        let judge = Box::new(Memory::new(compiler.tables().clone()));
        Self::new(compiler, parties, judge)
    }

    /// Asks the programs, loaded into the kernel for this alone.
    pub fn in_kernel(cluster: &Cluster) -> Result<Self, JudgeError> {
        Self::asking(cluster, |tables| Ok(Box::new(Probe::new(tables)?)))
    }

    /// Asks whoever knows the compiled tables.
    pub fn asking(
        cluster: &Cluster,
        judge: impl FnOnce(&Tables) -> Result<Box<dyn Judge>, JudgeError>,
    ) -> Result<Self, JudgeError> {
        let (compiler, parties) = compile(cluster);
        let judge = judge(compiler.tables())?;
        Ok(Self::new(compiler, parties, judge))
    }

    fn new(compiler: Compiler, parties: Parties, judge: Box<dyn Judge>) -> Self {
        Self {
            compiler,
            parties,
            judge,
            last: 0,
        }
    }

    /// Answers a question.
    pub fn ask(&mut self, question: &Question) -> Result<Answer, TraceError> {
        let resolved = question.resolved()?;
        let protocol = Service::parse(&resolved)?;
        let from = match Side::parse(&resolved.from)? {
            Side::Service(key) => return Err(QuestionError::FromService(key.to_string()).into()),
            side => self.parties.find(&self.compiler, side)?,
        };
        let to = Side::parse(&resolved.to)?;
        let (verdict, ends, notes) = match self.way(&from, &to, protocol)? {
            Some(way) => self.by_service(&from, way, protocol)?,
            None => self.directly(from, to, protocol)?,
        };
        Ok(Answer {
            from: question.from.clone(),
            to: question.to.clone(),
            protocol: protocol.name(),
            port: protocol.port(),
            verdict,
            ends,
            notes,
        })
    }

    /// Both ends of a connection that nobody translates.
    fn directly(&mut self, from: Party, to: Side, service: Service) -> Result<Found, TraceError> {
        let strange = self.strange_port(&to, service);
        let to = self.parties.find(&self.compiler, to)?;
        let (source, destination) = party::common_family(&from, &to)?;
        let from = party::at(&self.compiler, from, source);
        let to = party::at(&self.compiler, to, destination);
        let connection = Connection::new(service, source, destination)?;
        let egress = self.part(Direction::Egress, &from, &to, &connection)?;
        let ingress = self.part(Direction::Ingress, &to, &from, &connection)?;
        let notes = [strange, from.note, to.note];
        let verdict = egress.verdict.max(ingress.verdict);
        let ends = Ends::Direct {
            egress: Box::new(egress),
            ingress: Box::new(ingress),
        };
        Ok((verdict, ends, notes.into_iter().flatten().collect()))
    }

    /// What the policies of `party` say about its connection with `peer`.
    fn part(
        &mut self,
        hook: Direction,
        party: &Party,
        peer: &Party,
        connection: &Connection,
    ) -> Result<Part, TraceError> {
        let PeerIdentity::Pod(pod) = &party.who else {
            return Ok(Part::not_a_pod(&party.who));
        };
        let Some(endpoint) = self.endpoint(pod) else {
            return Err(PartyError::NoAddress(pod.clone()).into());
        };
        let mut arrival = Arrival {
            hook,
            ingress_ifindex: self.ingress_ifindex(hook, pod, peer, connection),
            leaving: hook == Direction::Egress && connection.translated,
            segmented: false,
            bytes: &connection.frame,
        };
        let mut reason = self.judge.judge(&endpoint, &arrival)?;
        let mut endpoint = endpoint;
        if reason == Reason::Deferred {
            // Nobody translates it: it is decided about the address itself, further on.
            endpoint = self.endpoint(pod).unwrap_or(endpoint);
            arrival.leaving = true;
            reason = self.judge.judge(&endpoint, &arrival)?;
        }
        let policies = self.compiler.isolating(pod, hook);
        let mut part = Part {
            who: party.who.to_string(),
            verdict: reason.action().into(),
            isolated: endpoint.isolated(hook),
            policies: policies.iter().map(PolicyKey::to_string).collect(),
            allowed_by: None,
            reason: reason.name(),
            nearest: None,
        };
        if matches!(reason, Reason::Allowed | Reason::PolicyDenied) {
            self.explain(&mut part, policies, pod, hook, peer, connection);
        }
        Ok(part)
    }

    /// Why a packet of a pod passes the pod's own link, or does not.
    fn at_link(&mut self, pod: &PodKey, connection: &Connection) -> Result<Reason, TraceError> {
        let Some(endpoint) = self.endpoint(pod) else {
            return Err(PartyError::NoAddress(pod.clone()).into());
        };
        let arrival = Arrival {
            hook: Direction::Egress,
            ingress_ifindex: LINK,
            leaving: false,
            segmented: false,
            bytes: &connection.frame,
        };
        Ok(self.judge.judge(&endpoint, &arrival)?)
    }

    /// Adds the words of the policies.
    fn explain(
        &self,
        part: &mut Part,
        policies: Vec<PolicyKey>,
        pod: &PodKey,
        direction: Direction,
        peer: &Party,
        connection: &Connection,
    ) {
        let address = match direction {
            Direction::Ingress => connection.source,
            Direction::Egress => connection.destination,
        };
        let waits = peer.waits;
        let peer = PeerSide {
            identity: peer.who.clone(),
            address: (!waits).then_some(address),
        };
        let (cluster, port) = (self.compiler.cluster(), connection.port);
        let protocol = connection.protocol;
        let words = explain_by(cluster, policies, pod, direction, &peer, protocol, port);
        part.allowed_by = words.allowed_by.as_ref().and_then(RuleName::of);
        part.nearest = words.nearest.as_ref().and_then(Nearest::of);
        if waits {
            // The packet had a supposed address, which wide blocks match; the policies know of none.
            let reason = if words.allowed() {
                Reason::Allowed
            } else {
                Reason::PolicyDenied
            };
            part.verdict = reason.action().into();
            part.reason = reason.name();
        }
    }

    /// The pod's endpoint under a number that no flow has.
    fn endpoint(&mut self, pod: &PodKey) -> Option<Endpoint> {
        let endpoint = *self.compiler.tables().endpoints.get(pod)?;
        self.last = self.last.wrapping_add(1).max(1);
        Some(Endpoint {
            id: self.last,
            ..endpoint
        })
    }

    /// Where the packet comes from, in the way the kernel knows it: what the node itself sends to
    /// its pod came in through no link, what a pod sends came in through the pod's.
    fn ingress_ifindex(
        &self,
        hook: Direction,
        pod: &PodKey,
        peer: &Party,
        connection: &Connection,
    ) -> u32 {
        match (hook, &peer.who) {
            (Direction::Egress, _) => LINK,
            (Direction::Ingress, _) if connection.masqueraded => OTHER_LINK,
            (Direction::Ingress, PeerIdentity::Pod(peer)) if peer == pod => LINK,
            (Direction::Ingress, PeerIdentity::Node(node)) if self.is_on(pod, node) => 0,
            (Direction::Ingress, _) => OTHER_LINK,
        }
    }

    fn is_on(&self, pod: &PodKey, node: &str) -> bool {
        let pod = self.compiler.cluster().pods.get(pod);
        pod.is_some_and(|pod| pod.node.as_deref() == Some(node))
    }
}

/// Compiles for all pods of the cluster, with room for everything: it is no one node's maps that
/// are asked.
fn compile(cluster: &Cluster) -> (Compiler, Parties) {
    let unlimited = Capacity {
        addresses: usize::MAX,
        cidrs: usize::MAX,
        verdicts: usize::MAX,
        ports: usize::MAX,
    };
    let mut compiler = Compiler::new(Scope::All, unlimited);
    compiler.apply(Cluster::default().changes_to(cluster));
    let supposed = party::supposed_addresses(cluster);
    compiler.apply(supposed.clone());
    compiler.apply(party::implied_nodes(compiler.cluster()));
    let parties = Parties::new(&supposed);
    (compiler, parties)
}
