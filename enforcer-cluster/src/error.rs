//! What can go wrong with a control plane.

use std::io;
use std::path::PathBuf;

use enforcer_lab::LabError;

/// What can go wrong with a control plane.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// The programs are nowhere.
    #[error(
        "KUBEBUILDER_ASSETS does not say where kube-apiserver and etcd are: run the cluster tests by \
         `cargo xtask envtest` or `cargo xtask test`, which build them"
    )]
    NoAssets,
    /// The folder of the programs lacks one.
    #[error(
        "`{program}` is not in {folder} (KUBEBUILDER_ASSETS): unset it and run `cargo xtask envtest`, \
         which builds all programs"
    )]
    NoProgram {
        /// Which.
        program: &'static str,
        /// Where it was looked for.
        folder: PathBuf,
    },
    /// A file or directory cannot be made or read.
    #[error("{path}: {source}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A command could not be started.
    #[error("cannot run `{command}`: {source}")]
    Start {
        /// The command line.
        command: String,
        /// Why.
        source: io::Error,
    },
    /// A command failed.
    #[error("`{command}` failed: {output}")]
    Command {
        /// The command line.
        command: String,
        /// What it complained about.
        output: String,
    },
    /// A server does not become ready, or cannot be stopped.
    #[error("{server} {problem}; the end of its log:\n{log}")]
    Server {
        /// Which.
        server: &'static str,
        /// What it does not do.
        problem: String,
        /// Its last lines.
        log: String,
    },
    /// A certificate or key cannot be made.
    #[error("making certificates: {0}")]
    Certificate(#[from] rcgen::Error),
    /// A server or client cannot speak TLS.
    #[error("setting up TLS: {0}")]
    Tls(#[from] tokio_rustls::rustls::Error),
    /// A client for the API server cannot be made.
    #[error("making a client: {0}")]
    Client(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A fault proxy cannot be started.
    #[error("starting a fault proxy: {0}")]
    Proxy(#[source] io::Error),
    /// A kubelet cannot be started.
    #[error("starting the kubelet of {node}: {source}")]
    Kubelet {
        /// Its node.
        node: String,
        /// Why.
        source: io::Error,
    },
    /// A kubelet does not get where it should.
    #[error("the kubelet of {node}: {what} ({problems})")]
    Waiting {
        /// Its node.
        node: String,
        /// What was waited for.
        what: String,
        /// What it complains about.
        problems: String,
    },
    /// No port is left.
    #[error("no free port on 127.0.0.1 between {0} and {1}")]
    NoPort(u16, u16),
    /// The directory of the control plane cannot be made.
    #[error(transparent)]
    Lab(#[from] LabError),
}

impl ClusterError {
    pub(crate) fn file(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        |source| Self::File { path, source }
    }

    pub(crate) fn proxy(source: io::Error) -> Self {
        Self::Proxy(source)
    }

    pub(crate) fn kubelet(node: &str) -> impl FnOnce(io::Error) -> Self {
        let node = node.to_owned();
        |source| Self::Kubelet { node, source }
    }

    pub(crate) fn client(source: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Client(Box::new(source))
    }
}
