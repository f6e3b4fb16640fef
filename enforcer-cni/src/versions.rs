//! Versions of the CNI specification.

use serde::Deserialize;

use crate::failure::Failure;

/// Those that this plugin speaks, oldest first.
pub const SUPPORTED: [&str; 4] = ["0.3.1", "0.4.0", "1.0.0", "1.1.0"];

/// The answer to `VERSION`, and to a configuration that cannot be read.
pub(crate) const NEWEST: &str = SUPPORTED[SUPPORTED.len() - 1];

#[derive(Deserialize)]
struct Versioned {
    #[serde(rename = "cniVersion")]
    version: String,
}

/// The version of a configuration, for answers; the newest when it has none that can be read.
pub(crate) fn of(config: &str) -> String {
    serde_json::from_str(config)
        .map_or_else(|_| NEWEST.to_owned(), |config: Versioned| config.version)
}

/// Refuses a version that this plugin does not speak.
pub(crate) fn check(version: &str) -> Result<(), Failure> {
    if SUPPORTED.contains(&version) {
        return Ok(());
    }
    Err(Failure::Version(version.to_owned()))
}
