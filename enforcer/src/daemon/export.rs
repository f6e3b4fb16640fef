//! Records for collectors of logs.

use super::{Daemon, DaemonError};
use crate::export::{self, Export};

impl Daemon {
    /// Starts exporting them, where the operator wants it.
    pub(super) fn export(&self) -> Result<Option<Export>, DaemonError> {
        let Some(options) = &self.options.export else {
            return Ok(None);
        };
        let (node, counters) = (self.options.node.clone(), self.exported.clone());
        let export = export::start(options, &self.flows, node, counters);
        Ok(Some(export.map_err(DaemonError::Export)?))
    }
}
