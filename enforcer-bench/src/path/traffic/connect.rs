//! New TCP connections, one after the other: connect, one byte, close.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use socket2::Type;

use super::wait::Waiting;
use super::{Path, together, warm_up};

/// Connections in a second.
pub(crate) fn connections(path: &Path<'_>, time: Duration) -> Result<f64> {
    let waiting = path.cpus.waiting();
    let listener: TcpListener = path.server_socket(Type::STREAM)?.into();
    waiting.prepare(&listener)?;
    let ended = AtomicBool::new(false);
    let serve = || {
        while let Some((connection, _)) = waiting.unless(&ended, || listener.accept())? {
            waiting.prepare(&connection)?;
            swallow(connection, waiting)?;
        }
        Ok(())
    };
    let ask = || {
        let to = path.address()?;
        count(to, waiting, warm_up(time))?;
        count(to, waiting, time)
    };
    let stop = || ended.store(true, Ordering::Relaxed);
    together(path, serve, ask, stop)
}

/// Reads one byte and the end, and closes.
fn swallow(mut connection: TcpStream, waiting: Waiting) -> Result<()> {
    let mut bytes = [0; 2];
    let mut length = 0;
    loop {
        let read = waiting.until(|| connection.read(&mut bytes));
        match read.context("reading a connection's byte")? {
            0 => break,
            read => length += read,
        }
    }
    ensure!(
        length == 1,
        "a connection brought {length} bytes instead of one"
    );
    Ok(())
}

/// Connections in a second, from the calling thread's namespace.
#[expect(clippy::cast_precision_loss, reason = "few connections")]
fn count(to: SocketAddr, waiting: Waiting, time: Duration) -> Result<f64> {
    let mut bytes = [0];
    let mut made: u64 = 0;
    let begin = Instant::now();
    while begin.elapsed() < time {
        let mut connection = TcpStream::connect(to).context("opening a connection")?;
        connection
            .write_all(&[7])
            .context("sending a connection's byte")?;
        connection
            .shutdown(Shutdown::Write)
            .context("ending a connection")?;
        waiting.prepare(&connection)?;
        // The other side has read it and closed.
        let read = waiting
            .until(|| connection.read(&mut bytes))
            .context("waiting for a connection's end")?;
        ensure!(
            read == 0,
            "a connection was answered by a byte that nobody sends"
        );
        made += 1;
    }
    Ok(made as f64 / begin.elapsed().as_secs_f64())
}
