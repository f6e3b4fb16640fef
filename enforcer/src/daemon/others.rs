//! Other policy engines on this node.

use std::path::Path;

use super::{Daemon, DaemonError, Options};
use crate::engines::{Engine, Facts, Refusal, find, probe};

/// Looks before anything is attached. Who cannot look does not start: two engines that nobody knows
/// of are the worst case.
pub(super) fn at_start(options: &Options) -> Result<Vec<Engine>, DaemonError> {
    let bpffs = &options.datapath.bpffs;
    let found = probe::engines(bpffs.parent().unwrap_or(Path::new("/")))?;
    for engine in &found {
        tracing::warn!(%engine, "another policy engine is at work on this node");
    }
    match Refusal::of(found.clone()) {
        Some(refusal) if !options.alongside => Err(refusal.into()),
        _ => Ok(found),
    }
}

impl Daemon {
    /// Notices those that come while the daemon runs, as far as links tell. It goes on: to stop now
    /// would leave pods without any engine that follows their policies.
    pub(super) fn look_for_others(&mut self) {
        let links = self
            .matcher
            .links()
            .node
            .iter()
            .map(|link| link.name.clone());
        let facts = Facts {
            links: links.collect(),
            ..Facts::default()
        };
        for engine in find(&facts) {
            if !self.others.iter().any(|known| known.name == engine.name) {
                tracing::error!(%engine, remedy = engine.remedy,
                    "another policy engine has come to this node; packets must now pass both");
                self.others.push(engine);
            }
        }
    }
}
