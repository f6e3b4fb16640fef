//! The servers together.

mod client;
mod flags;
mod options;
mod ready;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use enforcer_lab::Home;
use nix::sys::signal::Signal;

use crate::ClusterError;
use crate::certificates::Certificates;
use crate::janitor::Janitor;
use crate::kubeconfig::{self, Proof};
use crate::ports::Port;
use crate::server::Server;

pub(crate) use flags::ISSUER;
pub use options::Options;

/// How long a server may take to end by itself.
const STOP: Duration = Duration::from_secs(30);

/// The administrator's token.
const ADMIN: &str = "admin";
/// The token of kube-controller-manager.
const CONTROLLERS: &str = "controllers";
/// Whose tokens these are: token, user, id, groups. All of it is gone with the test.
const TOKENS: &str = "\
admin,admin,admin,system:masters
controllers,system:kube-controller-manager,controllers
";

/// One of the servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The storage.
    Etcd,
    /// The API.
    ApiServer,
    /// The controllers.
    Controllers,
}

/// etcd, kube-apiserver and kube-controller-manager. Everything goes when it is dropped, and when the
/// process ends.
#[derive(Debug)]
pub struct ControlPlane {
    // In the order in which they are ended.
    controllers: Option<Server>,
    api_server: Server,
    etcd: Server,
    port: Port,
    etcd_ports: [Port; 2],
    certificates: Certificates,
    admin: PathBuf,
    files: AtomicU32,
    _janitor: Janitor,
    home: Home,
}

impl ControlPlane {
    /// Starts everything and waits until it is ready.
    pub fn start(options: &Options) -> Result<Self, ClusterError> {
        let mut plane = Self::prepare(options)?;
        plane.start_part(Part::Etcd)?;
        plane.start_part(Part::ApiServer)?;
        plane.start_part(Part::Controllers)?;
        Ok(plane)
    }

    /// Writes all files; nothing runs yet.
    fn prepare(options: &Options) -> Result<Self, ClusterError> {
        let home = Home::create()?;
        let janitor = Janitor::start(home.path())?;
        let file = |name: &str| home.path().join(name);
        let certificates = Certificates::make(home.path())?;
        let tokens = file("tokens.csv");
        fs::write(&tokens, TOKENS).map_err(ClusterError::file(&tokens))?;
        let [port, client, peer] = [Port::reserve()?, Port::reserve()?, Port::reserve()?];
        let url = format!("https://{}", port.address());
        let authority = &certificates.authority;
        let kubeconfig = |name: &str| {
            let path = file(&format!("{name}.kubeconfig"));
            kubeconfig::write(path, &url, authority, Proof::Token(name))
        };
        let admin = kubeconfig(ADMIN)?;
        let flags = flags::etcd(&file("data"), &client, &peer, options);
        let etcd = Server::new("etcd", file("etcd.log"), flags)?;
        let flags = flags::api_server(&client, &port, &certificates, &tokens, options);
        let api_server = Server::new("kube-apiserver", file("kube-apiserver.log"), flags)?;
        let controllers = if options.controller_manager {
            let flags = flags::controllers(&kubeconfig(CONTROLLERS)?, &certificates, options);
            let log = file("kube-controller-manager.log");
            Some(Server::new("kube-controller-manager", log, flags)?)
        } else {
            None
        };
        Ok(Self {
            controllers,
            api_server,
            etcd,
            port,
            etcd_ports: [client, peer],
            certificates,
            admin,
            files: AtomicU32::new(0),
            _janitor: janitor,
            home,
        })
    }

    /// Starts a server that was stopped and waits until it is ready; nothing if it runs.
    pub fn start_part(&mut self, part: Part) -> Result<(), ClusterError> {
        if let Some(server) = self.server(part) {
            server.start()?;
        }
        self.wait_ready(part)
    }

    /// Stops a server in order (SIGTERM); its data stay.
    pub fn stop_part(&mut self, part: Part) -> Result<(), ClusterError> {
        self.server(part).map_or(Ok(()), |server| server.stop(STOP))
    }

    /// Ends a server at once (SIGKILL); its data stay.
    pub fn kill_part(&mut self, part: Part) {
        if let Some(server) = self.server(part) {
            server.kill();
        }
    }

    /// Stops the time for a server (SIGSTOP): its connections stay open, and nothing answers.
    pub fn freeze_part(&mut self, part: Part) -> Result<(), ClusterError> {
        let server = self.server(part);
        server.map_or(Ok(()), |server| server.signal(Signal::SIGSTOP))
    }

    /// Lets a server go on after [`ControlPlane::freeze_part`].
    pub fn thaw_part(&mut self, part: Part) -> Result<(), ClusterError> {
        let server = self.server(part);
        server.map_or(Ok(()), |server| server.signal(Signal::SIGCONT))
    }

    /// Where the API server answers: `https://127.0.0.1:port`.
    pub fn url(&self) -> String {
        format!("https://{}", self.port.address())
    }

    /// The port of the API server on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port.number
    }

    /// The administrator's kubeconfig.
    pub fn kubeconfig(&self) -> &Path {
        &self.admin
    }

    /// The certificate that signed the API server's.
    pub fn authority(&self) -> &Path {
        &self.certificates.authority
    }

    /// Everything that a server has logged.
    pub fn log(&self, part: Part) -> String {
        match part {
            Part::Etcd => self.etcd.log(),
            Part::ApiServer => self.api_server.log(),
            Part::Controllers => self
                .controllers
                .as_ref()
                .map(Server::log)
                .unwrap_or_default(),
        }
    }

    /// Where all files are, also those of tests that are to go with it.
    pub fn directory(&self) -> &Path {
        self.home.path()
    }

    /// What signs certificates.
    pub(crate) fn certificates(&self) -> &Certificates {
        &self.certificates
    }

    /// A path in the directory that was never given before, without an extension.
    pub(crate) fn unique(&self, name: &str) -> PathBuf {
        let number = self.files.fetch_add(1, Ordering::Relaxed);
        self.directory().join(format!("{name}-{number}"))
    }

    fn server(&mut self, part: Part) -> Option<&mut Server> {
        match part {
            Part::Etcd => Some(&mut self.etcd),
            Part::ApiServer => Some(&mut self.api_server),
            Part::Controllers => self.controllers.as_mut(),
        }
    }
}
