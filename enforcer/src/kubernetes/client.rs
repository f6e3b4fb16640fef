//! The client: where the API server is, who we are, and when a connection counts as dead.

use std::path::{Path, PathBuf};
use std::time::Duration;

use kube::config::{InClusterError, KubeConfigOptions, Kubeconfig, KubeconfigError};
use kube::{Client, Config};

/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(10);

/// How long nothing may come while something is awaited. Watches notice silence earlier, by
/// themselves; this ends what they would wait for.
const READ: Duration = Duration::from_secs(120);

/// How long the system may take to accept what is sent.
const WRITE: Duration = Duration::from_secs(20);

/// Where the address of the API server and the credentials are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Access {
    /// In the environment and the service account of the pod that this runs in.
    InCluster,
    /// In a kubeconfig file: its current context.
    Kubeconfig(PathBuf),
    /// Where a user's tools find them: in this file, else in those of `KUBECONFIG`, else in
    /// `~/.kube/config`, else in the pod.
    User {
        /// A file instead of the usual ones.
        kubeconfig: Option<PathBuf>,
        /// A context instead of the current one.
        context: Option<String>,
    },
}

impl Access {
    /// A kubeconfig when there is one, else the pod's service account.
    pub fn new(kubeconfig: Option<PathBuf>) -> Self {
        kubeconfig.map_or(Self::InCluster, Self::Kubeconfig)
    }
}

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// Not in a pod, or the service account is not mounted.
    #[error(
        "no service account of a pod here ({0}): run as a pod with automountServiceAccountToken, \
         give --kubeconfig FILE, or --manifests DIR to do without an API server"
    )]
    InCluster(#[source] Box<InClusterError>),
    /// The kubeconfig cannot be used.
    #[error("the kubeconfig {} cannot be used: {source}", path.display())]
    Kubeconfig {
        /// The file.
        path: PathBuf,
        /// Why.
        source: Box<KubeconfigError>,
    },
    /// A user's kubeconfig cannot be used.
    #[error(
        "no cluster: the kubeconfig cannot be used ({0}); give --kubeconfig FILE and --context NAME"
    )]
    User(#[source] Box<KubeconfigError>),
    /// The credentials or certificates cannot be used.
    #[error("the credentials for the API server cannot be used: {0}")]
    Client(#[source] Box<kube::Error>),
    /// The name of the node cannot be part of a header.
    #[error("{0:?} is no name of a node")]
    Node(String),
}

/// Reads where the API server is, and makes a client of it that says to be this program on `node`.
/// Nothing is sent yet. Needs a tokio runtime.
///
/// A token file and a CA file are read again by the client every minute; everything else is what it
/// was at this call.
///
/// # Errors
/// When files are missing or wrong.
pub async fn connect(access: &Access, node: &str) -> Result<Client, ConnectError> {
    let mut config = config(access).await?;
    config.read_timeout = Some(READ);
    config.reset_reader_on_write = true;
    client(config, node)
}

/// The same for connections that may be silent for as long as they like, such as forwarded ports.
///
/// # Errors
/// When files are missing or wrong.
pub async fn connect_patiently(access: &Access, who: &str) -> Result<Client, ConnectError> {
    let mut config = config(access).await?;
    config.read_timeout = None;
    client(config, who)
}

async fn config(access: &Access) -> Result<Config, ConnectError> {
    Ok(match access {
        Access::InCluster => {
            Config::incluster().map_err(|error| ConnectError::InCluster(Box::new(error)))?
        }
        Access::Kubeconfig(path) => kubeconfig(path).await?,
        Access::User {
            kubeconfig,
            context,
        } => user(kubeconfig.as_deref(), context.clone()).await?,
    })
}

fn client(mut config: Config, who: &str) -> Result<Client, ConnectError> {
    let agent = format!("enforcer/{} ({who})", env!("CARGO_PKG_VERSION"));
    let (Ok(name), Ok(value)) = ("user-agent".parse(), agent.parse()) else {
        return Err(ConnectError::Node(who.to_owned()));
    };
    config.headers.push((name, value));
    config.connect_timeout = Some(CONNECT);
    config.write_timeout = Some(WRITE);
    // Whoever asks knows better when to try again.
    config.default_retry = false;
    Client::try_from(config).map_err(|error| ConnectError::Client(Box::new(error)))
}

async fn user(file: Option<&Path>, context: Option<String>) -> Result<Config, ConnectError> {
    let options = KubeConfigOptions {
        context,
        ..KubeConfigOptions::default()
    };
    let read = file.map_or_else(Kubeconfig::read, Kubeconfig::read_from);
    let config = match read {
        Ok(read) => Config::from_custom_kubeconfig(read, &options).await,
        Err(error) => Err(error),
    };
    match config {
        Ok(config) => Ok(config),
        // Nothing was asked for that is not there: perhaps this is a pod.
        Err(error) if file.is_none() && options.context.is_none() => {
            Config::incluster().map_err(|_| ConnectError::User(Box::new(error)))
        }
        Err(error) => Err(ConnectError::User(Box::new(error))),
    }
}

async fn kubeconfig(path: &Path) -> Result<Config, ConnectError> {
    let wrong = |source| ConnectError::Kubeconfig {
        path: path.to_owned(),
        source: Box::new(source),
    };
    let read = Kubeconfig::read_from(path).map_err(wrong)?;
    Config::from_custom_kubeconfig(read, &KubeConfigOptions::default())
        .await
        .map_err(wrong)
}
