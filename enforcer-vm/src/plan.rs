//! What a machine has to do.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Where the plan is in the machine.
pub const PLAN: &str = "/plan.json";

/// What a machine has to do, in this order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// One after the other, also when one fails.
    pub jobs: Vec<Job>,
}

/// A program to run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// By which its outcome is told.
    pub name: String,
    /// The program, by its path in the machine.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// What it finds in its environment besides what all jobs do.
    pub environment: BTreeMap<String, String>,
    /// Where it runs.
    pub directory: PathBuf,
    /// After how many seconds it is killed.
    pub seconds: u64,
    /// Whether the kernel may load modules while it runs.
    pub modules: bool,
}
