//! Removes a control plane's directory when its process ends without doing so: killed, or with the
//! control plane in a static variable.

use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::ClusterError;

/// Waits for the end of its input, which is the end of whoever holds the other end. A server that is
/// being killed may still write: tried until nothing is left.
const SCRIPT: &str = r#"cat >/dev/null
for _ in $(seq 50); do rm -rf -- "$1" 2>/dev/null && exit; sleep 0.1; done"#;

/// A process that removes a directory once this is dropped or the process is gone.
#[derive(Debug)]
pub(crate) struct Janitor(Child);

impl Janitor {
    /// Starts it.
    pub(crate) fn start(directory: &Path) -> Result<Self, ClusterError> {
        let mut command = Command::new("sh");
        command
            .args(["-c", SCRIPT, "janitor"])
            .arg(directory)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // Ctrl-C is for the test.
            .process_group(0);
        let child = command.spawn().map_err(|source| ClusterError::Start {
            command: "sh".into(),
            source,
        })?;
        Ok(Self(child))
    }
}

impl Drop for Janitor {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}
