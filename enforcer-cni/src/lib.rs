//! A chained CNI plugin that holds a pod's start until its policies are in force.
//!
//! It stands at the end of the node's list of CNI plugins. On `ADD` it tells the daemon which pod
//! got which addresses in which network namespace, and gives the result of the plugins before it on
//! unchanged as soon as the daemon says that the pod's endpoint is in force. When that takes too
//! long, `onTimeout` decides.
//!
//! [`protocol`] is what plugin and daemon say to each other; the daemon depends on this crate for it.

#![forbid(unsafe_code)]

mod client;
mod config;
mod environment;
mod failure;
mod plugin;
pub mod protocol;
mod result;
pub mod text;
mod versions;

use std::io::{Read as _, Write as _};
use std::process::ExitCode;

pub use config::duration;
use environment::Environment;
use failure::Failure;
pub use versions::SUPPORTED as VERSIONS;

/// The name of the plugin's program, and its `type` in a list of plugins.
pub const NAME: &str = "enforcer-cni";

/// What the program does: one CNI command, from the environment and stdin to stdout.
pub fn main() -> ExitCode {
    let mut input = String::new();
    let read = std::io::stdin().read_to_string(&mut input);
    let outcome = match read {
        Ok(_) => plugin::run(&Environment::of_process(), &input),
        Err(error) => Err(Failure::Input(error)),
    };
    let (text, code) = match outcome {
        Ok(done) => {
            if let Some(remark) = &done.remark {
                // A runtime may have closed it.
                let _ = writeln!(std::io::stderr(), "{NAME}: {remark}");
            }
            (done.output, ExitCode::SUCCESS)
        }
        Err(failure) => (failure.output(&versions::of(&input)), ExitCode::FAILURE),
    };
    match std::io::stdout().write_all(text.as_bytes()) {
        Ok(()) => code,
        Err(_) => ExitCode::FAILURE,
    }
}
