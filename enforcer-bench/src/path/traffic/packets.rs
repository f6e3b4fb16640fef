//! As many small UDP packets as one sender can push through.

use std::net::UdpSocket;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use socket2::Type;

use super::{Path, together, warm_up};

/// With the headers of Ethernet (14), IPv4 (20) and UDP (8), 64 bytes.
const PAYLOAD: [u8; 22] = [7; 22];

/// Packets between two looks at the clock.
const STRIDE: u64 = 64;

/// What was measured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rate {
    /// Packets that arrived in a second.
    pub(crate) arrived: f64,
    /// The part of the packets sent that did not.
    pub(crate) lost: f64,
}

/// Sends for this time.
pub(crate) fn packets(path: &Path<'_>, time: Duration) -> Result<Rate> {
    let receiver: UdpSocket = path.server_socket(Type::DGRAM)?.into();
    let waiting = path.cpus.waiting();
    waiting.prepare(&receiver)?;
    let sender: UdpSocket = path.client_socket(Type::DGRAM)?.into();
    sender.connect(path.address()?)?;
    waiting.prepare(&sender)?;
    let (ended, arrived) = (AtomicBool::new(false), AtomicU64::new(0));
    let serve = || {
        let mut buffer = [0; 64];
        // The first one is answered: to the kernel's table of connections, a flow without an answer
        // is new for ever, and so would walk through all rules.
        let Some((_, client)) = waiting.unless(&ended, || receiver.recv_from(&mut buffer))? else {
            return Ok(());
        };
        receiver.send_to(&PAYLOAD, client).context("answering")?;
        let mut count = 0;
        while waiting
            .unless(&ended, || receiver.recv(&mut buffer))?
            .is_some()
        {
            count += 1;
            arrived.store(count, Ordering::Relaxed);
        }
        Ok(())
    };
    let ask = || {
        sender.send(&PAYLOAD).context("sending a UDP packet")?;
        let answer = waiting.until(|| sender.recv(&mut [0; 64]));
        answer.context("waiting for an answer")?;
        sender.set_nonblocking(false)?;
        send(&sender, warm_up(time))?;
        let before = arrived.load(Ordering::Relaxed);
        let begin = Instant::now();
        let sent = send(&sender, time)?;
        let elapsed = begin.elapsed();
        let arrived = arrived.load(Ordering::Relaxed) - before;
        rate(sent, arrived, elapsed)
    };
    let stop = || ended.store(true, Ordering::Relaxed);
    together(path, serve, ask, stop)
}

fn send(sender: &UdpSocket, time: Duration) -> Result<u64> {
    let begin = Instant::now();
    let mut sent = 0;
    while begin.elapsed() < time {
        for _ in 0..STRIDE {
            sender.send(&PAYLOAD).context("sending a UDP packet")?;
        }
        sent += STRIDE;
    }
    Ok(sent)
}

#[expect(clippy::cast_precision_loss, reason = "far fewer packets than 2^52")]
fn rate(sent: u64, arrived: u64, elapsed: Duration) -> Result<Rate> {
    if arrived == 0 {
        bail!("of {sent} UDP packets none arrived");
    }
    Ok(Rate {
        arrived: arrived as f64 / elapsed.as_secs_f64(),
        lost: sent.saturating_sub(arrived) as f64 / sent as f64,
    })
}
