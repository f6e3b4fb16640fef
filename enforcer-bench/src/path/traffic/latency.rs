//! One byte there and one byte back, over a TCP connection that stays.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use socket2::{SockRef, Type};

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
    let listener: TcpListener = path.server_socket(Type::STREAM)?.into();
    let client = path.client_socket(Type::STREAM)?;
    client
        .connect_timeout(&path.address()?.into(), Duration::from_secs(5))
        .context("connecting for requests")?;
    let client: TcpStream = client.into();
    client.set_nodelay(true)?;
    let (server, _) = listener.accept().context("accepting for requests")?;
    server.set_nodelay(true)?;
    let serve = || answer(&server);
    let ask = || {
        rounds(&client, warm_up(time))?;
        rounds(&client, time)
    };
    let stop = || drop(SockRef::from(&client).shutdown(std::net::Shutdown::Both));
    let mut times = together(path, serve, ask, stop)?;
    times.sort_by(f64::total_cmp);
    let part = |part| quantile(&times, part).context("no request was answered");
    Ok(Latency {
        p50: part(0.5)?,
        p99: part(0.99)?,
    })
}

fn answer(mut server: &TcpStream) -> Result<()> {
    let mut byte = [0];
    while server.read(&mut byte).context("reading a request")? == 1 {
        server.write_all(&byte).context("answering a request")?;
    }
    Ok(())
}

fn rounds(mut client: &TcpStream, time: Duration) -> Result<Vec<f64>> {
    let mut times = Vec::with_capacity(1 << 17);
    let mut byte = [7];
    let begin = Instant::now();
    let mut last = begin;
    while last - begin < time {
        client.write_all(&byte).context("sending a request")?;
        client.read_exact(&mut byte).context("reading an answer")?;
        let now = Instant::now();
        times.push((now - last).as_secs_f64() * 1e6);
        last = now;
    }
    Ok(times)
}
