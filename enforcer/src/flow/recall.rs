//! Records without asking anew: of many new connections most differ only in the port that the client's
//! kernel chose.

use std::collections::HashMap;
use std::sync::Arc;

use enforcer_common::abi::Event;
use enforcer_flows::{Party, Record, Who};
use enforcer_policy::compile::Compiler;
use enforcer_policy::explain::Explainer;
use enforcer_policy::intern::Name;
use enforcer_policy::model::PodKey;
use jiff::Timestamp;

use super::enrich::{enrich, stamp};

/// Records that are remembered; with so many that differ, remembering is of no use.
const REMEMBERED: usize = 1024;

/// An event without what says nothing about names.
type Alike = [u8; size_of::<Event>()];

/// What was said of earlier events.
#[derive(Default)]
pub struct Recall {
    /// The node that reports.
    node: Option<Name>,
    /// [`Compiler::age`] at that time.
    age: u64,
    records: HashMap<Alike, (Option<PodKey>, Record)>,
    /// Gives records of an endpoint the same list of policies, over changes of others, too.
    explainer: Explainer,
    /// Thousands of records are of the same pods. Outlives changes, and is compared.
    pods: HashMap<PodKey, Arc<Who>>,
}

impl Recall {
    /// Nothing is remembered yet; records are of this node.
    pub fn new(node: Option<Name>) -> Self {
        Self {
            node,
            ..Self::default()
        }
    }

    /// [`enrich`], at this time.
    pub fn enrich(
        &mut self,
        event: &Event,
        endpoint: Option<&PodKey>,
        compiler: &Compiler,
        time: Timestamp,
    ) -> Option<Record> {
        if self.age != compiler.age() {
            self.records.clear();
            self.age = compiler.age();
        }
        let alike = alike(event);
        let known = self.records.get(&alike);
        let known = known.filter(|(pod, _)| pod.as_ref() == endpoint);
        let mut record = match known {
            Some((_, known)) => known.clone(),
            None => self.learn(event, alike, endpoint, compiler)?,
        };
        stamp(&mut record, event, time);
        Some(record)
    }

    fn learn(
        &mut self,
        event: &Event,
        alike: Alike,
        endpoint: Option<&PodKey>,
        compiler: &Compiler,
    ) -> Option<Record> {
        let node = self.node.as_ref();
        let mut record = enrich(event, endpoint, compiler, &mut self.explainer, node)?;
        // What earlier records hold already.
        self.share_pod(&mut record.source);
        self.share_pod(&mut record.destination);
        // Which service has an address depends on the port.
        let client = if is_answer(event) {
            &record.destination
        } else {
            &record.source
        };
        if client.service().is_none() {
            if self.records.len() == REMEMBERED {
                self.records.clear();
            }
            self.records
                .insert(alike, (endpoint.cloned(), record.clone()));
        }
        Some(record)
    }

    fn share_pod(&mut self, party: &mut Party) {
        if let Some(who) = &mut party.who
            && let Some(pod) = &who.pod
        {
            match self.pods.get(pod) {
                Some(known) if known == who => who.clone_from(known),
                _ => {
                    if self.pods.len() >= REMEMBERED {
                        self.pods.clear();
                    }
                    self.pods.insert(pod.clone(), who.clone());
                }
            }
        }
    }
}

/// Whether the packet may go the other way than the connection whose policy was asked.
const fn is_answer(event: &Event) -> bool {
    event.hook != event.direction
}

/// Without the length and the port of the client, of which no policy speaks.
fn alike(event: &Event) -> Alike {
    let mut alike = Event {
        length: 0,
        // Names come from addresses, and counted denials lack these.
        identity: 0,
        set: 0,
        ..*event
    };
    if is_answer(event) {
        alike.destination_port = 0;
    } else {
        alike.source_port = 0;
    }
    bytemuck::cast(alike)
}

#[cfg(test)]
mod tests;
