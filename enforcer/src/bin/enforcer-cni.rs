//! The CNI plugin. Of this package it takes only the name of the directory: it is built together with
//! the daemon that it talks to, and linked with `enforcer_cni` alone.

#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    enforcer_cni::main()
}
