//! The CNI plugin's place on the node: its program, and its entry in the container runtime's list of
//! plugins.

mod conflist;
mod error;
mod files;
mod install;
mod keep;
#[cfg(test)]
mod tests;

use std::path::PathBuf;

use serde::Serialize;

pub use conflist::Refused;
pub use error::CniError;
pub use keep::Keeper;

/// What becomes of a pod whose policies are not in force in time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum OnTimeout {
    /// It does not start; the kubelet tries again.
    #[default]
    Deny,
    /// It starts.
    Allow,
}

/// The plugin's entry in a list of plugins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The daemon's socket, by its path on the node.
    pub socket: PathBuf,
    /// How long a pod's start is held at most, such as `10s`.
    pub timeout: String,
    /// What happens then.
    pub on_timeout: OnTimeout,
}

/// The directories that the plugin is installed into.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Of plugins' programs.
    pub bin_dir: PathBuf,
    /// Of lists of plugins.
    pub conf_dir: PathBuf,
}

/// Everything that is needed to install the plugin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Installation {
    /// Where to.
    pub place: Place,
    /// The program to copy.
    pub plugin: PathBuf,
    /// The entry.
    pub entry: Entry,
}
