//! The first process of a virtual machine. The kernel starts it a second time, under the name of
//! `modprobe`, whenever it wants a module.

mod files;
mod init;
mod job;
mod modprobe;

use std::env;
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut words = env::args();
    if words.next().is_some_and(|name| name.ends_with("modprobe")) {
        return modprobe::run(words);
    }
    init::run()
}
