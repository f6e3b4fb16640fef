//! A connection that stays open.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::probe::socket;
use crate::{LabError, Namespace, Outcome, Protocol};

/// A TCP connection to a [`crate::Server`], for watching whether it lives on.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    exchanges: u64,
}

impl Connection {
    /// Opens one.
    pub fn open(from: &Namespace, to: SocketAddr, timeout: Duration) -> Result<Self, LabError> {
        let stream = from.run(|| {
            let socket = socket(Protocol::Tcp, None, to)?;
            socket
                .connect_timeout(&to.into(), timeout)
                .map_err(LabError::socket(format!("connect to {to}")))?;
            Ok(TcpStream::from(socket))
        })?;
        Ok(Self {
            stream,
            exchanges: 0,
        })
    }

    /// Sends a number and waits for its echo.
    pub fn exchange(&mut self, timeout: Duration) -> Outcome {
        let result = self.try_exchange(timeout);
        self.exchanges += u64::from(result.is_ok());
        result.into()
    }

    /// The socket once more: shutting it down ends an exchange that another thread waits for.
    pub fn socket(&self) -> Result<TcpStream, LabError> {
        self.stream
            .try_clone()
            .map_err(LabError::socket("share a connection"))
    }

    /// How many exchanges succeeded.
    pub fn exchanges(&self) -> u64 {
        self.exchanges
    }

    fn try_exchange(&mut self, timeout: Duration) -> io::Result<()> {
        self.stream.set_read_timeout(Some(timeout))?;
        let question = self.exchanges.to_be_bytes();
        self.stream.write_all(&question)?;
        let mut answer = [0; 8];
        self.stream.read_exact(&mut answer)?;
        if answer == question {
            Ok(())
        } else {
            Err(io::ErrorKind::InvalidData.into())
        }
    }
}
