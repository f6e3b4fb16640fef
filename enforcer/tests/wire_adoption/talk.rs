//! Both ends of connections, in one hand: so that it is the test that says who speaks next.

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::time::Duration;

use enforcer_lab::{LabError, Namespace};
use socket2::{Domain, Socket, Type};

use crate::common::LONG;

/// One of the two ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// Who opened the connection.
    Opener,
    /// Whom it was opened to.
    Other,
}

pub(crate) const SIDES: [Side; 2] = [Side::Opener, Side::Other];

/// Where a connection is from or to.
pub(crate) type Place<'a> = (&'a Namespace, IpAddr, u16);

enum Ends {
    Tcp([TcpStream; 2]),
    Udp([UdpSocket; 2]),
}

/// A connection.
pub(crate) struct Talk {
    pub(crate) name: String,
    ends: Ends,
    said: u32,
}

fn bound((at, address, port): Place<'_>, kind: Type) -> Socket {
    at.run(|| {
        let address = SocketAddr::new(address, port);
        let what = || format!("bind to {address}");
        let socket = Socket::new(Domain::for_address(address), kind, None).map_err(|source| {
            LabError::Socket {
                what: what(),
                source,
            }
        })?;
        socket
            .set_reuse_address(true)
            .and_then(|()| socket.bind(&address.into()))
            .map_err(|source| LabError::Socket {
                what: what(),
                source,
            })?;
        Ok(socket)
    })
    .unwrap()
}

impl Talk {
    /// Opens a TCP connection between two ports.
    pub(crate) fn tcp(from: Place<'_>, to: Place<'_>) -> Self {
        Self::tcp_through(from, SocketAddr::new(to.1, to.2), to)
    }

    /// Opens one to an address that is translated to the other end.
    pub(crate) fn tcp_through(from: Place<'_>, through: SocketAddr, to: Place<'_>) -> Self {
        let listener = bound(to, Type::STREAM);
        listener.listen(1).unwrap();
        let opener = bound(from, Type::STREAM);
        opener.connect_timeout(&through.into(), LONG).unwrap();
        let (other, _) = TcpListener::from(listener).accept().unwrap();
        let ends = [TcpStream::from(opener), other];
        for end in &ends {
            end.set_nodelay(true).unwrap();
        }
        Self::named("tcp", from, to, Ends::Tcp(ends))
    }

    /// Opens a UDP exchange between two ports: both ends have spoken.
    pub(crate) fn udp(from: Place<'_>, to: Place<'_>) -> Self {
        let mut talk = Self::udp_unanswered(from, to);
        assert!(talk.carries(Side::Other, LONG), "{} is answered", talk.name);
        talk
    }

    /// Opens one that has not been answered yet.
    pub(crate) fn udp_unanswered(from: Place<'_>, to: Place<'_>) -> Self {
        Self::udp_through(from, SocketAddr::new(to.1, to.2), to)
    }

    /// Opens one to an address that is translated to the other end; it has not been answered yet.
    pub(crate) fn udp_through(from: Place<'_>, through: SocketAddr, to: Place<'_>) -> Self {
        let end = |here, there: SocketAddr| {
            let socket = UdpSocket::from(bound(here, Type::DGRAM));
            socket.connect(there).unwrap();
            socket
        };
        let back = SocketAddr::new(from.1, from.2);
        let ends = Ends::Udp([end(from, through), end(to, back)]);
        let mut talk = Self::named("udp", from, to, ends);
        assert!(talk.carries(Side::Opener, LONG), "{} opens", talk.name);
        talk
    }

    fn named(kind: &str, from: Place<'_>, to: Place<'_>, ends: Ends) -> Self {
        let (from, to) = (SocketAddr::new(from.1, from.2), SocketAddr::new(to.1, to.2));
        Self {
            name: format!("{kind} {from} → {to}"),
            ends,
            said: 0,
        }
    }

    /// Lets a side say something; whether the other side hears it.
    pub(crate) fn carries(&mut self, side: Side, patience: Duration) -> bool {
        self.said += 1;
        let word = self.said.to_be_bytes();
        let (speaker, listener) = match side {
            Side::Opener => (0, 1),
            Side::Other => (1, 0),
        };
        match &mut self.ends {
            Ends::Tcp(ends) => {
                ends[speaker].write_all(&word).unwrap();
                let listener = &mut ends[listener];
                listener.set_read_timeout(Some(patience)).unwrap();
                hears(word, || {
                    let mut heard = [0; 4];
                    listener.read_exact(&mut heard).map(|()| heard)
                })
            }
            Ends::Udp(ends) => {
                ends[speaker].send(&word).unwrap();
                let listener = &ends[listener];
                listener.set_read_timeout(Some(patience)).unwrap();
                hears(word, || {
                    let mut heard = [0; 4];
                    listener.recv(&mut heard).map(|_| heard)
                })
            }
        }
    }

    /// Fails unless both sides are heard, this one first.
    pub(crate) fn goes_on(&mut self, first: Side) {
        for side in [first, opposite(first)] {
            assert!(
                self.carries(side, LONG),
                "{}: {side:?} is heard, {first:?} speaks first",
                self.name
            );
        }
    }
}

pub(crate) fn opposite(side: Side) -> Side {
    match side {
        Side::Opener => Side::Other,
        Side::Other => Side::Opener,
    }
}

/// Whether this is the next that comes.
fn hears(word: [u8; 4], mut next: impl FnMut() -> std::io::Result<[u8; 4]>) -> bool {
    loop {
        match next() {
            Ok(heard) => {
                assert_eq!(heard, word, "nothing else was said");
                return true;
            }
            Err(error) => match error.kind() {
                ErrorKind::WouldBlock | ErrorKind::TimedOut => return false,
                ErrorKind::Interrupted => {}
                _ => panic!("a connection broke: {error}"),
            },
        }
    }
}
