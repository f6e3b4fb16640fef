//! Records without asking anew: of many new connections most differ only in the port that the client's
//! kernel chose.

use std::collections::HashMap;

use enforcer_common::abi::Event;
use enforcer_policy::compile::Compiler;
use enforcer_policy::model::PodKey;

use super::enrich::enrich;
use super::record::Record;
use super::words::Words;

/// Records that are remembered; with so many that differ, remembering is of no use.
const REMEMBERED: usize = 1024;

/// An event without what says nothing about names.
type Alike = [u8; size_of::<Event>()];

/// What was said of earlier events.
#[derive(Default)]
pub struct Recall {
    /// [`Compiler::age`] at that time.
    age: u64,
    records: HashMap<Alike, (Option<PodKey>, Record)>,
    words: Words,
}

impl Recall {
    /// [`enrich`], at this time.
    pub fn enrich(
        &mut self,
        event: &Event,
        endpoint: Option<&PodKey>,
        compiler: &Compiler,
        time: &str,
    ) -> Option<Record> {
        if self.age != compiler.age() {
            self.age = compiler.age();
            self.records.clear();
        }
        let alike = alike(event);
        let known = self.records.get(&alike);
        let known = known.filter(|(pod, _)| pod.as_ref() == endpoint);
        let mut record = match known {
            Some((_, known)) => known.clone(),
            None => self.learn(event, alike, endpoint, compiler)?,
        };
        time.clone_into(&mut record.time);
        record.length = event.length;
        let ports = [event.source_port, event.destination_port];
        for (party, port) in [&mut record.source, &mut record.destination]
            .into_iter()
            .zip(ports)
        {
            party.port = party.port.map(|_| port);
        }
        Some(record)
    }

    fn learn(
        &mut self,
        event: &Event,
        alike: Alike,
        endpoint: Option<&PodKey>,
        compiler: &Compiler,
    ) -> Option<Record> {
        let record = enrich(event, endpoint, compiler, &mut self.words)?;
        // Which service has an address depends on the port.
        let client = if is_answer(event) {
            &record.destination
        } else {
            &record.source
        };
        if client.service.is_none() {
            if self.records.len() == REMEMBERED {
                self.records.clear();
            }
            self.records
                .insert(alike, (endpoint.cloned(), record.clone()));
        }
        Some(record)
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
