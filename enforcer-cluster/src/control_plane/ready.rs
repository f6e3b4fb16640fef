//! When a server is ready.

use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::{ControlPlane, Part};
use crate::{ClusterError, program};

/// How long a server may take on a busy machine.
const TIMEOUT: Duration = Duration::from_secs(120);

impl ControlPlane {
    /// Waits until a server does its work.
    pub(super) fn wait_ready(&mut self, part: Part) -> Result<(), ClusterError> {
        let kubectl = program("kubectl")?;
        let ask = |kubeconfig: &Path, words: &[&str]| {
            let mut command = Command::new(&kubectl);
            command.arg("--kubeconfig").arg(kubeconfig).args(words);
            answer(&mut command)
        };
        match part {
            Part::Etcd => {
                let port = self.etcd_ports[0].number;
                self.etcd.wait_ready(TIMEOUT, || listens(port))
            }
            Part::ApiServer => {
                let (port, admin) = (self.port.number, &self.admin);
                self.api_server.wait_ready(TIMEOUT, || {
                    listens(port)?;
                    ask(admin, &["get", "--raw", "/readyz"])
                })
            }
            Part::Controllers => {
                let admin = &self.admin;
                let Some(controllers) = &mut self.controllers else {
                    return Ok(());
                };
                // The last thing that pods wait for.
                controllers.wait_ready(TIMEOUT, || {
                    ask(admin, &["get", "serviceaccount", "default"])
                })
            }
        }
    }
}

/// Whether somebody takes connections.
fn listens(port: u16) -> Result<(), String> {
    TcpStream::connect((Ipv4Addr::LOCALHOST, port))
        .map(drop)
        .map_err(|error| error.to_string())
}

/// Whether a command succeeds, and what it complains about if not.
fn answer(command: &mut Command) -> Result<(), String> {
    let output = command.output().map_err(|error| error.to_string())?;
    if output.status.success() {
        return Ok(());
    }
    Err(String::from_utf8_lossy(&output.stderr).trim().to_owned())
}
