//! The ring buffer as a stream of events.

use std::io;
use std::os::fd::AsFd as _;
use std::thread;
use std::time::{Duration, Instant};

use aya::maps::{MapData, RingBuf};
use enforcer_common::abi::Event;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use tokio::sync::mpsc;

use crate::datapath::maps;

/// Most events in a batch, so that a storm of them delays the daemon's other work only shortly.
const BATCH: usize = 256;

/// Batches that may wait for the daemon. When it is behind, the ring buffer fills, and the programs
/// count what they could not report.
const WAITING: usize = 4;

/// Events that come sooner than this after others wait until it is over. Reading wakes two threads,
/// which takes longer than ten events: a single one is read at once, and many together.
const REST: Duration = Duration::from_millis(20);

/// Reads events on a thread of its own, and hands them over in batches.
pub fn start(ring: RingBuf<MapData>) -> io::Result<mpsc::Receiver<Vec<Event>>> {
    let (sender, receiver) = mpsc::channel(WAITING);
    thread::Builder::new()
        .name("events".to_owned())
        .spawn(move || {
            if let Err(error) = read(ring, &sender) {
                tracing::error!(%error, "flow events cannot be read any more");
            }
        })?;
    Ok(receiver)
}

/// Returns when nobody listens any more.
///
/// The kernel wakes the reader for an event that finds everything before it read, and for no other:
/// as long as the reader rests, an event costs its place in the ring and nothing else.
fn read(mut ring: RingBuf<MapData>, sender: &mpsc::Sender<Vec<Event>>) -> Result<(), Errno> {
    let mut rested = Instant::now();
    loop {
        let mut batch = Vec::new();
        while batch.len() < BATCH
            && let Some(record) = ring.next()
        {
            batch.extend(maps::event(&record));
        }
        if batch.is_empty() {
            wait(&ring)?;
            thread::sleep(rested.saturating_duration_since(Instant::now()));
            rested = Instant::now() + REST;
        } else if sender.blocking_send(batch).is_err() {
            return Ok(());
        }
    }
}

fn wait(ring: &RingBuf<MapData>) -> Result<(), Errno> {
    let mut waiting = [PollFd::new(ring.as_fd(), PollFlags::POLLIN)];
    match poll(&mut waiting, PollTimeout::NONE) {
        Ok(_) | Err(Errno::EINTR) => Ok(()),
        Err(error) => Err(error),
    }
}
