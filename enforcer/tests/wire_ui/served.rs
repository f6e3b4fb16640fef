//! The command, running.

use std::io::{BufRead as _, BufReader, Lines, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use crate::common::PROGRAM;

pub(crate) struct Served {
    process: Child,
    lines: Lines<BufReader<ChildStdout>>,
    /// The link that it printed last.
    pub(crate) link: String,
}

impl Served {
    /// `enforcer ui` for this daemon.
    pub(crate) fn start(socket: &Path, arguments: &[&str]) -> Self {
        let mut process = Command::new(PROGRAM)
            .args(["ui", "--listen", "127.0.0.1:0", "--socket"])
            .arg(socket)
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let mut served = Self {
            process,
            lines,
            link: String::new(),
        };
        served.read_link();
        served
    }

    /// Waits for the next link.
    pub(crate) fn read_link(&mut self) {
        let line = self.lines.find_map(|line| {
            let line = line.unwrap();
            let at = line.find("http://")?;
            Some(line[at..].to_owned())
        });
        self.link = line.unwrap();
    }

    pub(crate) fn code(&self) -> &str {
        self.link.split_once("#code=").unwrap().1
    }

    /// `127.0.0.1:PORT`.
    pub(crate) fn host(&self) -> &str {
        let rest = self.link.strip_prefix("http://").unwrap();
        rest.split_once('/').unwrap().0
    }

    /// What is answered to a request with these lines of its head: status, head, body.
    pub(crate) fn ask(&self, first: &str, head: &[&str], body: &str) -> (u16, String, String) {
        let mut stream = TcpStream::connect(self.host()).unwrap();
        let head: String = head.iter().flat_map(|line| [*line, "\r\n"]).collect();
        let length = body.len();
        let request = format!(
            "{first} HTTP/1.1\r\n{head}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split_whitespace().nth(1).unwrap().parse().unwrap();
        (status, head.to_owned(), body.to_owned())
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
