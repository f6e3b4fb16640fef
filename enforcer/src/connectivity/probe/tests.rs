use std::net::{Ipv4Addr, SocketAddr};

use tokio::net::{TcpListener, UdpSocket};

use super::*;
use crate::connectivity::serve::serve;

const PATIENCE: Duration = Duration::from_millis(300);

fn port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

fn target(way: Way, port: u16) -> Target {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    Target { way, address }
}

async fn once(target: Target) -> Outcome {
    let attempt = within(target, PATIENCE, once::reach(target)).await;
    assert_eq!(attempt.error, None);
    attempt.outcome
}

#[tokio::test]
async fn servers_answer_every_way_and_nobody_else_does() {
    let port = port();
    tokio::spawn(async move { serve(&[port], &[port]).await });
    for way in [Way::Tcp, Way::Udp] {
        let target = target(way, port);
        while once(target).await != Outcome::Connected {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

#[tokio::test]
async fn what_is_refused_is_told_from_what_is_not_answered() {
    let silent = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let quiet = silent.local_addr().unwrap().port();
    assert_eq!(once(target(Way::Udp, quiet)).await, Outcome::Timeout);
    drop(silent);
    assert_eq!(once(target(Way::Udp, quiet)).await, Outcome::Refused);
    assert_eq!(once(target(Way::Tcp, quiet)).await, Outcome::Refused);
}

#[tokio::test]
async fn a_connection_that_is_kept_is_given_up_when_an_exchange_fails() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = target(Way::Kept, listener.local_addr().unwrap().port());
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        once::exchange(&mut stream).await.unwrap();
        once::exchange(&mut stream).await.unwrap();
        // Now it says nothing more; the next connection is another one.
        let (mut next, _) = listener.accept().await.unwrap();
        once::exchange(&mut next).await.unwrap();
    });
    let mut kept = None;
    for wanted in [
        Outcome::Connected,
        Outcome::Connected,
        Outcome::Timeout,
        Outcome::Connected,
    ] {
        let exchange = kept::exchange(&mut kept, target.address);
        assert_eq!(within(target, PATIENCE, exchange).await.outcome, wanted);
    }
    server.await.unwrap();
}

#[tokio::test]
async fn every_attempt_is_written_as_a_line_until_nobody_reads() {
    struct Reader(Vec<u8>);
    impl Write for Reader {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if self.0.len() > 500 {
                return Err(io::ErrorKind::BrokenPipe.into());
            }
            self.0.extend(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let timing = Timing {
        interval: Duration::from_millis(5),
        patience: PATIENCE,
    };
    let targets = [target(Way::Tcp, port()), target(Way::Udp, port())];
    let mut out = Reader(Vec::new());
    probe(&targets, timing, &mut out).await.unwrap();
    let text = String::from_utf8(out.0).unwrap();
    let attempts = text.lines().map(serde_json::from_str::<Attempt>);
    let attempts: Vec<Attempt> = attempts.map(Result::unwrap).collect();
    assert!(
        targets
            .iter()
            .all(|one| attempts.iter().any(|attempt| attempt.to == *one))
    );
}
