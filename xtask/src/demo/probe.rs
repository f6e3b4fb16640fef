//! Real TCP: a server in every pod, and connections between them all.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};

use super::netns;
use super::pods::{self, Pod};

/// How long a connection may take: long enough for a SYN to be sent twice.
const PATIENCE: Duration = Duration::from_millis(1500);

/// What became of one connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It was made, and a message came back; the time until it was made.
    Connected(Duration),
    /// Nothing came back.
    NoAnswer,
    /// Something else, which is never expected.
    Failed(String),
}

/// One attempt and what became of it.
pub(super) struct Attempt {
    pub(super) from: &'static Pod,
    pub(super) to: &'static Pod,
    pub(super) outcome: Outcome,
}

/// Starts the pods' servers, which send back whatever they receive until this process ends.
pub(super) fn serve() -> Result<()> {
    for pod in pods::ALL {
        let listener = netns::inside(&pod.netns(), || {
            TcpListener::bind(pod.server())
                .with_context(|| format!("listening on {}", pod.server()))
        })?;
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                thread::spawn(move || echo(stream));
            }
        });
    }
    Ok(())
}

fn echo(mut stream: TcpStream) {
    let _ = stream.set_nodelay(true);
    let mut buffer = [0; 64];
    while let Ok(length @ 1..) = stream.read(&mut buffer) {
        if stream.write_all(&buffer[..length]).is_err() {
            return;
        }
    }
}

/// A pod that connects, and the one that it connects to.
pub(super) type Pair = (&'static Pod, &'static Pod);

/// Every pod with every other.
pub(super) fn pairs() -> impl Iterator<Item = Pair> {
    pods::ALL.into_iter().flat_map(|from| {
        let others = pods::ALL.into_iter().filter(move |to| *to != from);
        others.map(move |to| (from, to))
    })
}

/// Every pod tries to connect to every other, all at once.
pub(super) fn everyone() -> Result<Vec<Attempt>> {
    all(pairs())
}

/// All these try to connect, at once.
pub(super) fn all(pairs: impl Iterator<Item = Pair>) -> Result<Vec<Attempt>> {
    let threads: Vec<_> = pairs
        .map(|(from, to)| {
            thread::spawn(move || attempt(from, to).map(|outcome| Attempt { from, to, outcome }))
        })
        .collect();
    threads
        .into_iter()
        .map(|thread| thread.join().map_err(|_| anyhow!("a probe panicked"))?)
        .collect()
}

/// One pod tries to connect to another.
fn attempt(from: &Pod, to: &Pod) -> Result<Outcome> {
    let start = Instant::now();
    let stream = match connect(from, to)? {
        Ok(stream) => stream,
        Err(error) => return Ok(failure(&error)),
    };
    let time = start.elapsed();
    Ok(match exchange(stream) {
        Ok(()) => Outcome::Connected(time),
        Err(error) => failure(&error),
    })
}

/// A new connection from one pod to another's server.
pub(super) fn connect(from: &Pod, to: &Pod) -> Result<std::io::Result<TcpStream>> {
    let server = SocketAddr::V4(to.server());
    netns::inside(&from.netns(), || {
        Ok(TcpStream::connect_timeout(&server, PATIENCE))
    })
}

fn exchange(mut stream: TcpStream) -> std::io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(b"enforcer")?;
    stream.read_exact(&mut [0; 8])
}

fn failure(error: &std::io::Error) -> Outcome {
    match error.kind() {
        ErrorKind::TimedOut | ErrorKind::WouldBlock => Outcome::NoAnswer,
        _ => Outcome::Failed(error.to_string()),
    }
}

/// The attempts that did not end as `allowed` says, each as a sentence.
pub(super) fn surprises(attempts: &[Attempt], allowed: impl Fn(&Pod, &Pod) -> bool) -> Vec<String> {
    attempts
        .iter()
        .filter_map(|Attempt { from, to, outcome }| {
            let wish = if allowed(from, to) {
                "connect"
            } else {
                "get no answer"
            };
            let is = match outcome {
                Outcome::Connected(_) if wish == "connect" => return None,
                Outcome::NoAnswer if wish != "connect" => return None,
                Outcome::Connected(_) => "it connected",
                Outcome::NoAnswer => "there was no answer",
                Outcome::Failed(error) => error,
            };
            Some(format!(
                "{} → {} should {wish}, but {is}",
                from.name,
                to.service()
            ))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tried(outcome: Outcome) -> [Attempt; 1] {
        [Attempt {
            from: &pods::WEB,
            to: &pods::DB,
            outcome,
        }]
    }

    #[test]
    fn an_allowed_connection_must_connect() {
        assert!(surprises(&tried(Outcome::Connected(Duration::ZERO)), |_, _| true).is_empty());
        assert_eq!(
            surprises(&tried(Outcome::NoAnswer), |_, _| true),
            ["web → db:3306 should connect, but there was no answer"]
        );
    }

    #[test]
    fn a_forbidden_connection_must_get_no_answer_at_all() {
        assert!(surprises(&tried(Outcome::NoAnswer), |_, _| false).is_empty());
        assert_eq!(
            surprises(&tried(Outcome::Connected(Duration::ZERO)), |_, _| false),
            ["web → db:3306 should get no answer, but it connected"]
        );
        assert_eq!(
            surprises(&tried(Outcome::Failed("refused".into())), |_, _| false),
            ["web → db:3306 should get no answer, but refused"]
        );
    }
}
