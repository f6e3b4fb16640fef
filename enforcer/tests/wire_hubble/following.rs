//! Flows as they come.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Stdio};
use std::sync::mpsc::{self, Receiver};

use crate::cli::{Cli, flow, name, time};
use crate::common::{LONG, connects};
use crate::shop::API_81;
use crate::world::World;

/// A CLI that follows.
pub(crate) struct Follower {
    child: Child,
    lines: Receiver<String>,
}

impl Follower {
    pub(crate) fn start(cli: &Cli, arguments: &[&str]) -> Self {
        let fixed = ["observe", "--follow", "--output=json"];
        let mut child = cli
            .command(&[&fixed, arguments].concat())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                // Nobody may listen any more.
                let _ = sender.send(line);
            }
        });
        Self { child, lines }
    }

    /// The next line, if it is there.
    pub(crate) fn try_next(&self) -> Option<String> {
        self.lines.try_recv().ok()
    }

    /// The next line.
    pub(crate) fn next(&self) -> String {
        self.lines.recv_timeout(LONG).unwrap()
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_follower_sees_what_it_asked_for_as_it_happens() {
    let world = World::busy();
    let follower = Follower::start(&world.cli, &["--last=1", "--to-port=81"]);
    let first = flow(&follower.next());
    assert_eq!(name(&first), API_81);
    let address = world.shop.address();
    connects(&world.shop.api, address, 80, true);
    connects(&world.shop.api, address, 81, false);
    let second = flow(&follower.next());
    assert_eq!(name(&second), API_81);
    assert!(time(&second) > time(&first));
}

#[test]
fn a_follower_of_what_is_new_sees_nothing_of_before() {
    let world = World::busy();
    let begin = world.shop.records(&["--last", "1"])[0].time;
    let follower = Follower::start(&world.cli, &["--to-port=81"]);
    // It may not be there yet: so there is something new until it sees some.
    let line = loop {
        connects(&world.shop.api, world.shop.address(), 81, false);
        if let Some(line) = follower.try_next() {
            break line;
        }
    };
    assert!(time(&flow(&line)) > begin, "{line}");
}

#[test]
fn a_follower_learns_that_the_daemon_ends() {
    let mut world = World::busy();
    let mut follower = Follower::start(&world.cli, &["--last=1"]);
    follower.next();
    world.shop.node.daemon.take().unwrap().stop(LONG).unwrap();
    let ended = follower.child.wait().unwrap();
    assert!(!ended.success());
}
