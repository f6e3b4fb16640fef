//! The ends of recorded connections, in the cluster of today.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use enforcer_common::parse::number;
use enforcer_flows::{Protocol, Who};
use enforcer_policy::explain::PeerIdentity;
use enforcer_policy::intern::Name;
use enforcer_policy::model::{Family, Pod, PodKey, Workload};

use super::{Question, Tracer};
use crate::recorded::{Connection, End, Log};

/// Finds ends.
pub(super) struct Ends<'a> {
    recorded: &'a BTreeMap<PodKey, Arc<Who>>,
    /// The pods of each workload.
    workloads: BTreeMap<(Name, Workload), Vec<PodKey>>,
}

/// What is asked in the place of a connection.
pub(super) struct Asked {
    pub(super) question: Question,
    /// Pods that have gone, and who stands for them.
    pub(super) instead: Vec<[String; 2]>,
}

/// Why an end cannot be asked about: it is not there.
pub(super) struct Gone(pub(super) String);

/// An end of today.
struct Found {
    /// Its name or address.
    text: String,
    pod: Option<PodKey>,
}

impl<'a> Ends<'a> {
    pub(super) fn new(tracer: &Tracer, log: &'a Log) -> Self {
        let mut workloads = BTreeMap::<_, Vec<PodKey>>::new();
        let pods = tracer.compiler.cluster().pods.iter();
        for (key, pod) in pods.filter(|(_, pod)| pod.is_selectable()) {
            if let Some(workload) = &pod.workload {
                let workload = (key.namespace.clone(), workload.clone());
                workloads.entry(workload).or_default().push(key.clone());
            }
        }
        Self {
            recorded: &log.pods,
            workloads,
        }
    }

    /// What to ask about a connection.
    pub(super) fn question(&self, tracer: &Tracer, connection: &Connection) -> Result<Asked, Gone> {
        let client = self.find(tracer, &connection.client, (&connection.server, None))?;
        let peer = (&connection.client, client.pod.as_ref());
        let server = self.find(tracer, &connection.server, peer)?;
        let both = [(&connection.client, &client), (&connection.server, &server)];
        let instead = both.into_iter().filter_map(|(end, found)| {
            let (was, is) = end.pod.as_ref().zip(found.pod.as_ref())?;
            (was != is).then(|| [was.to_string(), is.to_string()])
        });
        Ok(Asked {
            instead: instead.collect(),
            question: Question {
                protocol: protocol(connection.protocol),
                port: connection.port,
                from: client.text,
                to: server.text,
            },
        })
    }

    /// An end whose peer is `peer`, of whom somebody may stand there already.
    fn find(
        &self,
        tracer: &Tracer,
        end: &End,
        peer: (&End, Option<&PodKey>),
    ) -> Result<Found, Gone> {
        let Some(key) = &end.pod else {
            return Ok(Found {
                text: end.address.to_string(),
                pod: None,
            });
        };
        let pods = &tracer.compiler.cluster().pods;
        let known = pods.get(key);
        if let Some(pod) = known.filter(|pod| pod.is_selectable()) {
            return Ok(found(tracer, key, pod, end.address));
        }
        let now = match known {
            None => "is no longer there",
            Some(pod) if pod.terminated => "has ended",
            Some(_) => "shares its node's network by now",
        };
        let others = self.workload(key).into_iter().flatten();
        let mut others = others.filter_map(|key| Some((key, pods.get(key)?)));
        let stands = others.find(|(key, pod)| {
            // A pod always reaches itself and its own node: that says nothing about the one that went.
            let is_peer = peer.0.pod.as_ref() == Some(*key) || peer.1 == Some(*key);
            let on_peer = peer.0.node.is_some() && peer.0.node == pod.node;
            !is_peer && !on_peer && family(pod, end.address).is_some()
        });
        match stands {
            Some((key, pod)) => Ok(found(tracer, key, pod, end.address)),
            None => Err(Gone(format!(
                "the pod {key} {now}, and no other pod of its workload can stand for it"
            ))),
        }
    }

    /// The pods of the workload that a pod was of.
    fn workload(&self, pod: &PodKey) -> Option<&[PodKey]> {
        let workload = self.recorded.get(pod)?.workload.clone()?;
        let pods = self.workloads.get(&(pod.namespace.clone(), workload))?;
        Some(pods)
    }
}

/// A pod by its address of the family that was used then, if nobody else has that too; else by name.
fn found(tracer: &Tracer, key: &PodKey, pod: &Pod, used: IpAddr) -> Found {
    let address = family(pod, used).filter(|address| {
        let owner = tracer.compiler.owner(*address);
        !tracer.parties.is_waiting(key) && owner == PeerIdentity::Pod(key.clone())
    });
    Found {
        text: address.map_or_else(|| key.to_string(), |address| address.to_string()),
        pod: Some(key.clone()),
    }
}

/// The pod's address of the family of another.
fn family(pod: &Pod, other: IpAddr) -> Option<IpAddr> {
    let mut addresses = pod.addresses.iter().copied();
    addresses.find(|one| Family::of(*one) == Family::of(other))
}

/// A protocol as questions name it.
fn protocol(protocol: Protocol) -> String {
    match protocol {
        Protocol::Ip(number::ICMP | number::ICMPV6) => "ICMP".to_owned(),
        Protocol::Ip(number) => number.to_string(),
        Protocol::Ethernet(_) => protocol.to_string(),
    }
}
