//! Hubble's clients.

use tokio::sync::mpsc;

use super::{Daemon, Options};
use crate::api::server::Question;
use crate::hubble::{self, Hubble, HubbleError, Known};

impl Daemon {
    /// Starts serving them, where the operator wants it.
    pub(super) fn serve_hubble(
        &self,
        questions: mpsc::Sender<Question>,
    ) -> Result<Option<Hubble>, HubbleError> {
        let known = Known {
            node: node(&self.options),
            flows: self.flows.clone(),
            peers: self.observers.subscribe(),
            questions,
        };
        hubble::start(self.options.hubble.clone(), known)
    }
}

/// What they are to call this node: by its name, or by the machine's where it has none.
pub(super) fn node(options: &Options) -> String {
    options.node.clone().unwrap_or_else(|| {
        let name = std::fs::read_to_string("/proc/sys/kernel/hostname");
        let name = name.unwrap_or_default();
        match name.trim() {
            "" => "unknown".to_owned(),
            name => name.to_owned(),
        }
    })
}
