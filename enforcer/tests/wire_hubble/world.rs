//! A shop whose daemon answers the CLI.

use std::collections::BTreeSet;

use tempfile::TempDir;

use crate::cli::{Cli, name};
use crate::shop::Shop;

pub(crate) struct World {
    pub(crate) shop: Shop,
    pub(crate) cli: Cli,
    pub(crate) folder: TempDir,
}

impl World {
    /// With a daemon that serves a socket, and what these arguments say, and no traffic yet.
    pub(crate) fn open(arguments: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("hubble.sock");
        let socket = socket.display();
        let shop = Shop::open(&format!("--hubble-socket {socket} {arguments}"));
        let cli = Cli::new(folder.path(), &[format!("--server=unix://{socket}")]);
        Self { shop, cli, folder }
    }

    /// With the shop's traffic.
    pub(crate) fn busy() -> Self {
        let world = Self::open("");
        world.shop.traffic();
        world
    }

    /// The names of the flows that the CLI observes of all that there are.
    pub(crate) fn names(&self, arguments: &[&str]) -> BTreeSet<String> {
        let flows = self.cli.flows(&[&["--all"], arguments].concat());
        flows.iter().map(name).collect()
    }
}
