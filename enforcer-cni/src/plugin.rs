//! The commands of the CNI specification.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use crate::client;
use crate::config::{Config, OnTimeout};
use crate::environment::Environment;
use crate::failure::Failure;
use crate::protocol::{Hold, Release, Request, Retain};
use crate::result::addresses;
use crate::versions::{NEWEST, SUPPORTED};

/// How long `DEL` and `GC` wait for a daemon, which they do not need.
const BRIEFLY: Duration = Duration::from_secs(2);

/// A command that succeeded.
#[derive(Debug, Default)]
pub(crate) struct Done {
    /// For stdout.
    pub(crate) output: String,
    /// For stderr.
    pub(crate) remark: Option<String>,
}

/// Does what the environment and the configuration say.
pub(crate) fn run(environment: &Environment, input: &str) -> Result<Done, Failure> {
    match environment.command.as_deref() {
        Some("VERSION") => Ok(version()),
        Some("ADD") => add(environment, &Config::read(input)?),
        Some("CHECK") => check(environment, &Config::read(input)?),
        Some("DEL") => delete(environment, &Config::read(input)?),
        Some("STATUS") => status(&Config::read(input)?),
        Some("GC") => Ok(collect(&Config::read(input)?)),
        other => Err(Failure::Environment {
            variable: "CNI_COMMAND",
            problem: match other {
                Some(other) => format!("is {other:?}, which this plugin does not know"),
                None => "is not set: this program is started by a container runtime".to_owned(),
            },
        }),
    }
}

fn version() -> Done {
    let output = serde_json::json!({ "cniVersion": NEWEST, "supportedVersions": SUPPORTED });
    Done {
        output: output.to_string(),
        remark: None,
    }
}

fn add(environment: &Environment, config: &Config<'_>) -> Result<Done, Failure> {
    let previous = config.previous()?;
    let remark = held(environment, config, previous, config.timeout)?;
    Ok(Done {
        output: previous.to_owned(),
        remark,
    })
}

/// Like `ADD`, but nobody waits: what is in force now is asked.
fn check(environment: &Environment, config: &Config<'_>) -> Result<Done, Failure> {
    let remark = held(environment, config, config.previous()?, BRIEFLY)?;
    Ok(Done {
        output: String::new(),
        remark,
    })
}

/// Succeeds when the pod may start; what it starts without is the remark.
fn held(
    environment: &Environment,
    config: &Config<'_>,
    previous: &str,
    patience: Duration,
) -> Result<Option<String>, Failure> {
    let end = Instant::now() + patience;
    let attachment = environment.attachment()?;
    let netns = environment.netns()?;
    let file = fs::metadata(&netns).map_err(|error| Failure::Environment {
        variable: "CNI_NETNS",
        problem: format!("is {}: {error}", netns.display()),
    })?;
    let addresses = addresses(previous, &attachment.ifname).map_err(Failure::Undecodable)?;
    let Some(pod) = environment.pod() else {
        let why = "the runtime names no pod (K8S_POD_NAMESPACE and K8S_POD_NAME of CNI_ARGS)";
        return decide(config, why.to_owned());
    };
    let hold = Hold {
        attachment,
        network: config.network.clone(),
        namespace: pod.namespace,
        pod: pod.name,
        uid: pod.uid,
        netns,
        device: file.dev(),
        inode: file.ino(),
        addresses,
        wait: 0,
    };
    match client::hold(&config.socket, hold, end) {
        Ok(held) if held.in_force => Ok(None),
        Ok(held) => decide(config, held.why.unwrap_or_default()),
        Err(error) => decide(config, error.to_string()),
    }
}

fn decide(config: &Config<'_>, why: String) -> Result<Option<String>, Failure> {
    match config.on_timeout {
        OnTimeout::Deny => Err(Failure::NotInForce(why)),
        OnTimeout::Allow => Ok(Some(format!("the pod starts without its policies: {why}"))),
    }
}

/// Always succeeds: without a daemon it forgets the attachment in its place.
fn delete(environment: &Environment, config: &Config<'_>) -> Result<Done, Failure> {
    let attachment = environment.attachment()?;
    let file = attachment.file(&config.socket);
    let request = Request::Release(Release { attachment });
    if client::ask(&config.socket, &request, BRIEFLY).is_err() {
        // Mostly there is none.
        let _ = fs::remove_file(file);
    }
    Ok(Done::default())
}

/// Always succeeds: a daemon that comes later forgets what is gone by itself.
fn collect(config: &Config<'_>) -> Done {
    if let Some(valid) = &config.valid {
        let request = Request::Retain(Retain {
            network: config.network.clone(),
            attachments: valid.clone(),
        });
        let _ = client::ask(&config.socket, &request, BRIEFLY);
    }
    Done::default()
}

fn status(config: &Config<'_>) -> Result<Done, Failure> {
    match UnixStream::connect(&config.socket) {
        Err(error) if config.on_timeout == OnTimeout::Deny => Err(Failure::Unavailable(format!(
            "{}: {error}",
            config.socket.display()
        ))),
        _ => Ok(Done::default()),
    }
}
