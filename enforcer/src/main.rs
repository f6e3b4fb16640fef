//! `enforcer`: makes Kubernetes network policies true on any CNI.

#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    enforcer::cli::main()
}
