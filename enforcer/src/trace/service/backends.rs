//! Asks about every backend of a service.

use std::net::IpAddr;

use enforcer_common::abi::Direction;
use enforcer_policy::explain::PeerIdentity;
use enforcer_policy::model::Family;
use enforcer_policy::service::{Backend, NoBackend};

use super::Way;
use crate::trace::answer::{BackendAnswer, Ends, Verdict};
use crate::trace::party::{self, Party, PartyError};
use crate::trace::query::{Service, Side};
use crate::trace::{Connection, Found, TraceError, Tracer};

const REFUSES: &str = "kube-proxy refuses the connection: the service has no ready endpoint";
const DROPS: &str = "kube-proxy drops the connection: the service has no ready endpoint on the \
                     sender's node, and its internalTrafficPolicy is Local";
const NO_NAME: &str =
    "the name means no address: the service is headless and has no ready endpoint";

impl Tracer {
    /// Asks about every backend.
    pub(in crate::trace) fn by_service(
        &mut self,
        from: &Party,
        way: Way,
        service: Service,
    ) -> Result<Found, TraceError> {
        let source = from.address(way.family);
        let source = source.ok_or(PartyError::NoCommonFamily)?;
        let from = party::at(&self.compiler, from.clone(), source);
        let at_sender = self.at_sender(&from, source, &way, service)?;
        let passes = at_sender.is_none_or(|(_, verdict)| verdict == Verdict::Allow);
        let mut backends = Vec::new();
        for backend in &way.route.backends {
            let mut answer = self.at_backend(&from, source, &way, backend, service)?;
            if !passes {
                answer.verdict = Verdict::Deny;
            }
            backends.push(answer);
        }
        let without = match way.route.without {
            _ if !way.translated => NO_NAME,
            NoBackend::Rejects => REFUSES,
            NoBackend::Drops => DROPS,
        };
        let notes = way.notes.into_iter().chain(from.note).collect();
        let verdict = summary(&backends);
        let ends = Ends::Service {
            service: way.name,
            at_sender: at_sender.map(|(reason, _)| reason),
            without_backend: backends.is_empty().then_some(without),
            backends,
        };
        Ok((verdict, ends, notes))
    }

    /// What the sender's own link says to a packet to the service.
    fn at_sender(
        &mut self,
        from: &Party,
        source: IpAddr,
        way: &Way,
        service: Service,
    ) -> Result<Option<(&'static str, Verdict)>, TraceError> {
        let (Some(address), PeerIdentity::Pod(pod)) = (way.name.address, &from.who) else {
            return Ok(None);
        };
        let connection = Connection::new(service, source, address)?;
        let reason = self.at_link(pod, &connection)?;
        Ok(Some((reason.name(), reason.action().into())))
    }

    fn at_backend(
        &mut self,
        from: &Party,
        source: IpAddr,
        way: &Way,
        backend: &Backend,
        service: Service,
    ) -> Result<BackendAnswer, TraceError> {
        let there = Side::Address(backend.address);
        let to = self.parties.find(&self.compiler, there)?;
        let to = party::at(&self.compiler, to, backend.address);
        let service = service.at(backend.port);
        let mut connection = Connection::new(service, source, backend.address)?;
        connection.translated = way.translated;
        let egress = self.part(Direction::Egress, from, &to, &connection)?;
        let ingress = if way.route.masqueraded && to.who != from.who {
            let node = self.masquerading(from, way.family);
            let seen = node.address(way.family).unwrap_or(source);
            let connection = Connection {
                masqueraded: true,
                ..Connection::new(service, seen, backend.address)?
            };
            self.part(Direction::Ingress, &to, &node, &connection)?
        } else {
            self.part(Direction::Ingress, &to, from, &connection)?
        };
        Ok(BackendAnswer {
            address: backend.address,
            port: backend.port,
            verdict: egress.verdict.max(ingress.verdict),
            egress,
            ingress,
        })
    }

    /// Who a masqueraded packet seems to be from. Which of its addresses a node takes depends on its
    /// routes; the first one described stands for all.
    fn masquerading(&self, from: &Party, family: Family) -> Party {
        let name = self.node_of(from);
        let node = name.and_then(|name| self.compiler.cluster().nodes.get(name));
        let addresses = node.map(|node| node.addresses.as_slice());
        let mut addresses = addresses.unwrap_or_default().iter();
        let address = addresses.find(|one| Family::of(**one) == family).copied();
        let who = match name {
            Some(name) => PeerIdentity::Node(name.to_owned()),
            None => PeerIdentity::Outside,
        };
        Party::at_address(who, address, family)
    }
}

/// Allow when every backend is reached, deny when none is.
fn summary(backends: &[BackendAnswer]) -> Verdict {
    let reached = backends.iter().filter(|one| one.verdict == Verdict::Allow);
    match reached.count() {
        0 => Verdict::Deny,
        all if all == backends.len() => Verdict::Allow,
        _ => Verdict::Differs,
    }
}
