//! The programs' own log lines, one for each packet, for those who debug the programs.

use std::io;
use std::os::fd::AsFd as _;
use std::thread;

use aya::Ebpf;
use aya_log::EbpfLogger;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// Why the log lines cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum PacketLogError {
    /// The object has no log, or it cannot be read.
    #[error("cannot read the programs' log: {0}")]
    Logger(#[from] aya_log::Error),
    /// No thread for it.
    #[error("no thread for the programs' log: {0}")]
    Thread(#[from] io::Error),
}

/// Hands the lines to the daemon's log, at DEBUG, on a thread of its own.
pub fn start(ebpf: &mut Ebpf) -> Result<(), PacketLogError> {
    let mut logger = EbpfLogger::init(ebpf)?;
    thread::Builder::new()
        .name("packet-log".to_owned())
        .spawn(move || {
            loop {
                logger.flush();
                let mut waiting = [PollFd::new(logger.as_fd(), PollFlags::POLLIN)];
                match poll(&mut waiting, PollTimeout::NONE) {
                    Ok(_) | Err(Errno::EINTR) => {}
                    Err(error) => {
                        tracing::error!(%error, "the programs' log cannot be read any more");
                        return;
                    }
                }
            }
        })?;
    Ok(())
}
