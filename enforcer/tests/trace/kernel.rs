//! One set of loaded programs for many clusters: loading takes longer than all questions together.

use std::cell::RefCell;
use std::rc::Rc;

use enforcer::datapath::judge::{Arrival, Judge, JudgeError};
use enforcer::datapath::probe::Probe;
use enforcer::datapath::told;
use enforcer::source::manifests::ManifestSource;
use enforcer::trace::{Tracer, batch};
use enforcer_common::Reason;
use enforcer_common::abi::Endpoint;
use enforcer_policy::model::Cluster;
use enforcer_policy::tables::{Op, Tables};
use serde_json::Value;

use crate::command::Folder;

/// The programs, and what their maps hold.
#[derive(Clone)]
pub(crate) struct Kernel(Rc<RefCell<Held>>);

struct Held {
    probe: Probe,
    tables: Tables,
    /// The last endpoint number: every tracer counts from 1, and the flows of one must not be the
    /// next one's.
    last: u32,
}

impl Kernel {
    pub(crate) fn load() -> Self {
        let probe = told::options()
            .map_err(JudgeError::from)
            .and_then(|options| Probe::load(&options))
            .unwrap_or_else(|error| panic!("{error}"));
        let held = Held {
            probe,
            tables: Tables::default(),
            last: 0,
        };
        Self(Rc::new(RefCell::new(held)))
    }

    /// Answers a batch about a folder.
    pub(crate) fn batch(&self, folder: &Folder, questions: &str) -> Vec<Value> {
        let snapshot = ManifestSource::new(folder.manifests()).reload();
        let mut tracer = self.tracer(&snapshot.cluster);
        let mut out = Vec::new();
        batch(&mut tracer, questions.as_bytes(), &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        let lines = text.lines();
        lines
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    /// Asks about a cluster. A tracer that was made earlier is of no use afterwards.
    pub(crate) fn tracer(&self, cluster: &Cluster) -> Tracer {
        let tracer = Tracer::asking(cluster, |tables| {
            self.replace(tables)?;
            Ok(Box::new(self.clone()))
        });
        tracer.unwrap()
    }

    fn replace(&self, tables: &Tables) -> Result<(), JudgeError> {
        let held = &mut *self.0.borrow_mut();
        let old = &held.tables;
        let verdicts = old.verdicts.keys().map(|key| Op::DeleteVerdict(*key));
        let addresses = old.addresses.keys().map(|key| Op::DeleteAddress(*key));
        let cidrs = old.cidrs.keys().map(|key| Op::DeleteCidr(*key));
        for op in verdicts.chain(addresses).chain(cidrs) {
            held.probe.apply(&op)?;
        }
        held.probe.fill(tables)?;
        held.tables = tables.clone();
        Ok(())
    }
}

impl Judge for Kernel {
    fn judge(&mut self, endpoint: &Endpoint, arrival: &Arrival<'_>) -> Result<Reason, JudgeError> {
        let held = &mut *self.0.borrow_mut();
        held.last += 1;
        let endpoint = Endpoint {
            id: held.last,
            ..*endpoint
        };
        held.probe.judge(&endpoint, arrival)
    }
}
