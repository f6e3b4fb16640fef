//! The plugin's part of a list of plugins, as the runtime hands it over on stdin.

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use crate::failure::Failure;
use crate::protocol::Attachment;
use crate::{text, versions};

const DEFAULT_SOCKET: &str = "/run/enforcer/enforcer.sock";
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);

/// What becomes of a pod whose policies nobody can say to be in force.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum OnTimeout {
    /// It does not start; the kubelet tries again.
    #[default]
    Deny,
    /// It starts.
    Allow,
}

#[derive(Deserialize)]
struct Written {
    #[serde(rename = "cniVersion")]
    version: String,
    #[serde(default)]
    name: String,
    socket: Option<PathBuf>,
    timeout: Option<String>,
    #[serde(default, rename = "onTimeout")]
    on_timeout: OnTimeout,
    #[serde(rename = "cni.dev/valid-attachments")]
    valid: Option<Vec<Valid>>,
}

#[derive(Deserialize)]
struct Valid {
    #[serde(rename = "containerID")]
    container: String,
    ifname: String,
}

/// A configuration that makes sense.
#[derive(Debug)]
pub(crate) struct Config<'a> {
    pub(crate) network: String,
    /// The result of the plugins before, as it was written.
    pub(crate) previous: Option<&'a str>,
    pub(crate) socket: PathBuf,
    pub(crate) timeout: Duration,
    pub(crate) on_timeout: OnTimeout,
    /// For `GC`: the attachments that are left.
    pub(crate) valid: Option<Vec<Attachment>>,
}

impl<'a> Config<'a> {
    pub(crate) fn read(input: &'a str) -> Result<Self, Failure> {
        let written: Written = serde_json::from_str(input).map_err(Failure::Undecodable)?;
        versions::check(&written.version)?;
        let timeout = written
            .timeout
            .as_deref()
            .map_or(Some(DEFAULT_TIMEOUT), duration);
        let valid = written
            .valid
            .map(|valid| valid.into_iter().map(Valid::into).collect());
        let previous = text::whole(input)
            .and_then(|whole| text::member(input, &whole, "prevResult"))
            .and_then(|span| input.get(span))
            .filter(|previous| *previous != "null");
        Ok(Self {
            network: written.name,
            previous,
            socket: written.socket.unwrap_or_else(|| DEFAULT_SOCKET.into()),
            timeout: timeout.ok_or_else(|| Failure::Config {
                field: "timeout",
                problem: "is no duration: write it like 10s, 500ms or 1m".to_owned(),
            })?,
            on_timeout: written.on_timeout,
            valid,
        })
    }

    /// The result of the plugins before.
    pub(crate) fn previous(&self) -> Result<&'a str, Failure> {
        self.previous.ok_or_else(|| Failure::Config {
            field: "prevResult",
            problem: "is missing: this plugin stands behind others in a list".to_owned(),
        })
    }
}

impl From<Valid> for Attachment {
    fn from(valid: Valid) -> Self {
        Self {
            container: valid.container,
            ifname: valid.ifname,
        }
    }
}

/// Reads a duration as the configuration has it, such as `10s`, `500ms` or `1m`.
pub fn duration(text: &str) -> Option<Duration> {
    let unit = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(unit);
    let number: u64 = number.parse().ok()?;
    match unit {
        "ms" => Some(Duration::from_millis(number)),
        "s" => Some(Duration::from_secs(number)),
        "m" => number.checked_mul(60).map(Duration::from_secs),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_said_has_a_default() {
        let config = Config::read(r#"{"cniVersion": "1.0.0", "name": "pods"}"#).unwrap();
        assert_eq!(config.socket, PathBuf::from(DEFAULT_SOCKET));
        assert_eq!(config.timeout, DEFAULT_TIMEOUT);
        assert_eq!(config.on_timeout, OnTimeout::Deny);
        assert!(matches!(
            config.previous(),
            Err(Failure::Config {
                field: "prevResult",
                ..
            })
        ));
    }

    #[test]
    fn a_previous_result_is_kept_to_the_letter() {
        let text = r#"{"cniVersion": "1.0.0", "prevResult": {"z": 1.50,  "a": [ ]}}"#;
        assert_eq!(
            Config::read(text).unwrap().previous().unwrap(),
            r#"{"z": 1.50,  "a": [ ]}"#
        );
    }

    #[test]
    fn durations_have_a_unit() {
        assert_eq!(duration("10s"), Some(Duration::from_secs(10)));
        assert_eq!(duration("250ms"), Some(Duration::from_millis(250)));
        assert_eq!(duration("2m"), Some(Duration::from_secs(120)));
        for wrong in [
            "",
            "10",
            "s",
            "1h",
            "-1s",
            "1.5s",
            "99999999999999999999s",
            "9999999999999999999m",
        ] {
            assert_eq!(duration(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn mistakes_have_the_numbers_of_the_specification() {
        let code = |text: &str| Config::read(text).unwrap_err().code();
        assert_eq!(code("{"), 6);
        assert_eq!(code(r#"{"cniVersion": "0.2.0"}"#), 1);
        assert_eq!(code(r#"{"cniVersion": "1.0.0", "timeout": "soon"}"#), 7);
        assert_eq!(code(r#"{"cniVersion": "1.0.0", "onTimeout": "maybe"}"#), 6);
    }
}
