//! Asking over HTTP, without a library that would mend what it gets.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

/// What is answered.
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// In lower case.
    pub(crate) head: String,
    pub(crate) body: String,
}

/// Asks for a path, with these lines more in the head.
pub(crate) fn ask(address: SocketAddr, path: &str, lines: &[&str]) -> Answer {
    let mut stream = TcpStream::connect(address).unwrap();
    let more: String = lines.iter().flat_map(|line| [*line, "\r\n"]).collect();
    let request = format!("GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n{more}\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    Answer {
        status: head.split_whitespace().nth(1).unwrap().parse().unwrap(),
        head: head.to_lowercase(),
        body: body.to_owned(),
    }
}

/// The header by which Prometheus 3 asks.
pub(crate) const PROMETHEUS: &str = "Accept: application/openmetrics-text;version=1.0.0;\
    escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=0.0.1;q=0.5,\
    text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
