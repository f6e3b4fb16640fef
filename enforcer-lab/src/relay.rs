//! Servers of this machine inside a namespace.

use std::io;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread;

use crate::{LabError, Namespace};

/// Lets a namespace reach a port of this machine's loopback address at its own, as long as this
/// process lives.
pub fn relay(namespace: &Namespace, port: u16) -> Result<(), LabError> {
    let address = ("127.0.0.1", port);
    let listener = namespace.run(|| {
        TcpListener::bind(address).map_err(|source| LabError::Socket {
            what: format!("listening on port {port} in a namespace"),
            source,
        })
    })?;
    thread::spawn(move || {
        for inside in listener.incoming().flatten() {
            // While the server is away, nobody is there.
            if let Ok(outside) = TcpStream::connect(address) {
                let _ = join(inside, outside);
            }
        }
    });
    Ok(())
}

fn join(inside: TcpStream, outside: TcpStream) -> io::Result<()> {
    for stream in [&inside, &outside] {
        stream.set_nodelay(true)?;
    }
    let (mut from, mut to) = (inside.try_clone()?, outside.try_clone()?);
    let mut ends = (inside, outside);
    thread::spawn(move || {
        let _ = io::copy(&mut from, &mut to);
        let _ = to.shutdown(Shutdown::Both);
    });
    thread::spawn(move || {
        let _ = io::copy(&mut ends.1, &mut ends.0);
        let _ = ends.0.shutdown(Shutdown::Both);
    });
    Ok(())
}
