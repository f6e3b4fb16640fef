//! Conversations of pods, each by TCP, UDP and SCTP in both families.

use std::net::{IpAddr, SocketAddr};

use enforcer_lab::Pod;

use crate::common::echo::Echo;
use crate::common::live::Live;
use crate::sctp::Association;

/// Two pods that converse, named by both: the client first.
pub(crate) type Pair<'a> = (&'static str, &'static str, &'a Pod, &'a Pod);

/// What one pod says to another by all protocols.
pub(crate) struct Talk<'a> {
    /// The names of client and server.
    pub(crate) names: [&'static str; 2],
    live: Vec<Live>,
    echoes: Vec<Echo>,
    associations: Vec<Association<'a>>,
}

pub(crate) fn addresses(pod: &Pod) -> [IpAddr; 2] {
    [pod.v4(), pod.v6()].map(Option::unwrap)
}

impl<'a> Talk<'a> {
    pub(crate) fn open((from, to, client, server): Pair<'a>) -> Self {
        let name = format!("{from} → {to}");
        let mut talk = Self {
            names: [from, to],
            live: Vec::new(),
            echoes: Vec::new(),
            associations: Vec::new(),
        };
        for (own, at) in addresses(client).into_iter().zip(addresses(server)) {
            talk.live.push(Live::open(&name, client, at, 80));
            talk.echoes
                .push(Echo::open(&name, client, SocketAddr::new(at, 80)));
            talk.associations.push(Association::open(
                &name,
                (client, own),
                (server, at),
                47_000,
            ));
        }
        talk
    }

    /// The pods between which it takes place are these two, whoever began.
    pub(crate) fn is_between(&self, pods: [&str; 2]) -> bool {
        self.names == pods || self.names == [pods[1], pods[0]]
    }

    pub(crate) fn goes_on(&self) {
        self.live.iter().for_each(Live::goes_on);
        self.echoes.iter().for_each(Echo::goes_on);
        self.associations.iter().for_each(Association::goes_on);
    }

    pub(crate) fn is_cut(&self) {
        // Those that notice the first packet that passes; only then those that send some.
        self.live.iter().for_each(Live::is_cut);
        self.echoes.iter().for_each(Echo::is_cut);
        self.associations.iter().for_each(Association::is_cut);
    }
}
