//! One byte there and one byte back, by UDP.

use std::net::UdpSocket;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use socket2::Type;

use super::wait::Waiting;
use super::{Path, together, warm_up};
use crate::stats::quantile;

/// Times from request to answer, in µs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Latency {
    /// Half of them are shorter.
    pub(crate) p50: f64,
    /// One in a hundred is longer.
    pub(crate) p99: f64,
}

/// Asks for this time, one question after the other.
pub(crate) fn latency(path: &Path<'_>, time: Duration) -> Result<Latency> {
    let waiting = path.cpus.waiting();
    let server: UdpSocket = path.server_socket(Type::DGRAM)?.into();
    let client: UdpSocket = path.client_socket(Type::DGRAM)?.into();
    for socket in [&server, &client] {
        waiting.prepare(socket)?;
    }
    client.connect(path.address()?)?;
    let ended = AtomicBool::new(false);
    let serve = || {
        let mut byte = [0; 2];
        while let Some((_, from)) = waiting.unless(&ended, || server.recv_from(&mut byte))? {
            server.send_to(&byte[..1], from).context("answering")?;
        }
        Ok(())
    };
    let ask = || {
        rounds(&client, waiting, warm_up(time))?;
        rounds(&client, waiting, time)
    };
    let stop = || ended.store(true, Ordering::Relaxed);
    let mut times = together(path, serve, ask, stop)?;
    times.sort_by(f64::total_cmp);
    let part = |part| quantile(&times, part).context("no request was answered");
    Ok(Latency {
        p50: part(0.5)?,
        p99: part(0.99)?,
    })
}

fn rounds(client: &UdpSocket, waiting: Waiting, time: Duration) -> Result<Vec<f64>> {
    let mut times = Vec::with_capacity(1 << 17);
    let mut byte = [7; 2];
    let begin = Instant::now();
    let mut last = begin;
    while last - begin < time {
        client.send(&byte[..1]).context("sending a request")?;
        waiting
            .until(|| client.recv(&mut byte))
            .context("waiting for an answer")?;
        let now = Instant::now();
        times.push((now - last).as_secs_f64() * 1e6);
        last = now;
    }
    Ok(times)
}
