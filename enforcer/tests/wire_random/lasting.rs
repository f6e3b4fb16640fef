//! Connections that last from one step to the next: a change must cut exactly those that it denies.
//!
//! TCP connections stay open; a connection that was cut is given up. A datagram "connection" is its
//! addresses and ports, which are used again at every step, whoever has the addresses by then.

use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::time::{Duration, Instant};

use enforcer_policy::oracle::Objects;
use socket2::Type;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpSocket, UdpSocket};
use tokio::task::{AbortHandle, JoinSet};

use crate::ask::{AGAIN, GRACE, Outcome, receive};
use crate::common::{BRIDGE, LONG};
use crate::probe::{Backend, Kind, Probe};
use crate::questions::{Judged, ask};
use crate::random::Random;
use crate::serve::{Seen, TOKEN, bound, read_token, token};
use crate::services;
use crate::stage::Stage;
use crate::tally::Tally;
use crate::world::{FIRST_CLIENT_PORT, World};

/// How many of each protocol are opened at every step.
const OPENED: usize = 12;

/// All of them.
pub(crate) struct Lasting {
    seen: Rc<Seen>,
    /// The node's table of connections knows who opened one. Where there is none, ports must tell,
    /// and servers must not be the first to speak after a pod is isolated.
    sure: bool,
    tcp: Vec<Tcp>,
    udp: Vec<(SocketAddr, SocketAddr)>,
    readers: JoinSet<()>,
}

struct Tcp {
    reader: AbortHandle,
    stream: OwnedWriteHalf,
    client: SocketAddr,
    /// Whom the client asked.
    server: SocketAddr,
    /// Who answered, and what source that saw.
    real: SocketAddr,
    source: IpAddr,
    /// Who the ends were: later pods with these addresses are others.
    names: [String; 2],
}

impl Drop for Tcp {
    /// The connection is given up only when its reader is gone too; else it would go on to repeat
    /// what was denied until it is allowed.
    fn drop(&mut self) {
        self.reader.abort();
    }
}

/// A question that a connection asks.
struct Asked {
    probe: Probe,
    socket: Option<Rc<UdpSocket>>,
    tcp: Option<usize>,
}

impl Lasting {
    pub(crate) fn new(seen: &Rc<Seen>, stage: Stage) -> Self {
        Self {
            seen: seen.clone(),
            // What is only bridged is in no table of connections.
            sure: stage.shape != BRIDGE,
            tcp: Vec::new(),
            udp: Vec::new(),
            readers: JoinSet::new(),
        }
    }

    /// Opens some more among what is allowed.
    pub(crate) async fn open(&mut self, world: &mut World, probes: &[Probe], dice: &mut Random) {
        let of = |wanted: fn(&Probe) -> bool| {
            let all = probes.iter();
            all.filter(move |probe| probe.allowed && probe.from != probe.to && wanted(probe))
                .collect::<Vec<_>>()
        };
        let is_tcp = |probe: &Probe| matches!(probe.kind, Kind::Tcp(_));
        let udp = of(|probe| matches!(probe.kind, Kind::Udp(_)) && probe.backends.is_none());
        for probe in dice.some(udp, OPENED) {
            let client = SocketAddr::new(probe.from, world.fresh_port());
            self.udp.push((client, server_of(probe)));
        }
        let sure = self.sure;
        let mut tcp = of(|probe| matches!(probe.kind, Kind::Tcp(_)) && probe.backends.is_none());
        tcp.retain(|probe| sure || server_of(probe).port() < FIRST_CLIENT_PORT);
        let services = of(|probe| probe.backends.is_some());
        let services = services.into_iter().filter(|probe| is_tcp(probe)).collect();
        let chosen = [dice.some(tcp, OPENED), dice.some(services, OPENED / 2)].concat();
        for probe in chosen {
            let client = SocketAddr::new(probe.from, world.fresh_port());
            let tcp = self.connect(world, probe, client).await;
            self.tcp.push(tcp);
        }
    }

    async fn connect(&mut self, world: &World, probe: &Probe, client: SocketAddr) -> Tcp {
        let at = world.at(&world.hosts[probe.host]);
        let socket = at.run(|| Ok(bound(client, Type::STREAM, None))).unwrap();
        socket.set_linger(Some(Duration::ZERO)).unwrap();
        let socket = TcpSocket::from_std_stream(socket.into());
        let server = server_of(probe);
        let connected = tokio::time::timeout(LONG, socket.connect(server)).await;
        // It has just been asked, and was allowed.
        let stream = connected.unwrap().unwrap();
        let (reader, mut stream) = stream.into_split();
        let reader = read(reader, self.seen.clone());
        let reader = self.readers.spawn_local(reader);
        // It also tells who the server is, if it is behind a service. The number is no question's.
        let greeting = 1 << 31 | u64::from(client.port());
        stream.write_all(&token(greeting)).await.unwrap();
        let begin = Instant::now();
        while !self.seen.answered.borrow().contains(&greeting) {
            assert!(
                begin.elapsed() < LONG,
                "{probe}: connected, but not answered"
            );
            let _ = tokio::time::timeout(AGAIN, self.seen.news.notified()).await;
        }
        let (real, source) = self.seen.arrived.borrow()[&greeting]
            .first()
            .copied()
            .unwrap();
        let names = [probe.from, real.ip()].map(|address| name_at(world, address).unwrap());
        Tcp {
            reader,
            stream,
            client,
            server,
            real,
            source,
            names,
        }
    }

    /// Uses every connection once; gives what was asked, and what was otherwise than the oracle
    /// says now.
    pub(crate) async fn check(
        &mut self,
        world: &World,
        objects: &Objects,
        first: u64,
        tally: &mut Tally,
        dice: &mut Random,
    ) -> (Vec<Probe>, Outcome) {
        let is_there = |tcp: &Tcp| {
            let now = [tcp.client, tcp.real].map(|end| name_at(world, end.ip()));
            now == tcp.names.clone().map(Some)
        };
        self.tcp.retain(is_there);
        let mut clients = JoinSet::new();
        let mut outcome = Outcome::default();
        let asked = self.questions(world, objects, first, &mut clients, &mut outcome);
        for one in &asked {
            tally.lasting(&one.probe);
        }
        self.speak(&asked, dice, &mut outcome).await;
        let probes: Vec<Probe> = asked.iter().map(|one| one.probe.clone()).collect();
        outcome.leaks(&self.seen, &probes);
        let cut: HashSet<usize> = asked
            .iter()
            .filter(|one| !one.probe.allowed)
            .filter_map(|one| one.tcp)
            .collect();
        let mut index = 0;
        self.tcp.retain(|_| {
            index += 1;
            !cut.contains(&(index - 1))
        });
        (probes, outcome)
    }

    /// Speaks on all, and on again where an answer must come.
    async fn speak(&mut self, asked: &[Asked], dice: &mut Random, outcome: &mut Outcome) {
        for one in asked {
            if let Some(index) = one.tcp {
                let tcp = &mut self.tcp[index];
                let server_first = self.sure && dice.below(2) == 0;
                let stream = &mut tcp.stream;
                if server_first && self.seen.speak(tcp.client, one.probe.id) {
                    continue;
                }
                if let Err(error) = stream.write_all(&token(one.probe.id)).await {
                    outcome.wrong(&one.probe, format!("an old connection: {error}"));
                }
            }
            one.send().await;
        }
        let (begin, mut again) = (Instant::now(), Instant::now() + AGAIN);
        let mut waiting: Vec<&Asked> = asked.iter().filter(|one| one.probe.allowed).collect();
        while !waiting.is_empty() && begin.elapsed() < LONG {
            if again < Instant::now() {
                for one in &waiting {
                    one.send().await;
                }
                outcome.repeated += waiting.len();
                again = Instant::now() + AGAIN;
            }
            let _ = tokio::time::timeout(AGAIN / 4, self.seen.news.notified()).await;
            let answered = self.seen.answered.borrow();
            waiting.retain(|one| !answered.contains(&one.probe.id));
        }
        for one in waiting {
            outcome.wrong(&one.probe, "an old connection is cut");
        }
        tokio::time::sleep(GRACE).await;
    }

    fn questions(
        &self,
        world: &World,
        objects: &Objects,
        first: u64,
        clients: &mut JoinSet<()>,
        outcome: &mut Outcome,
    ) -> Vec<Asked> {
        let mut asked = Vec::new();
        let mut next = first;
        for (index, tcp) in self.tcp.iter().enumerate() {
            let probe = if tcp.real == tcp.server {
                question(world, objects, next, tcp.client, tcp.server, Kind::Tcp)
            } else {
                translated(world, objects, next, tcp)
            };
            if let Some(probe) = probe {
                outcome.tuples.insert(("TCP", tcp.client, tcp.server), next);
                asked.push(Asked {
                    probe,
                    socket: None,
                    tcp: Some(index),
                });
                next += 1;
            }
        }
        for (client, server) in &self.udp {
            if let Some(probe) = question(world, objects, next, *client, *server, Kind::Udp) {
                let at = world.at(&world.hosts[probe.host]);
                let socket = at.run(|| Ok(bound(*client, Type::DGRAM, None))).unwrap();
                let socket = Rc::new(UdpSocket::from_std(socket.into()).unwrap());
                clients.spawn_local(receive(socket.clone(), self.seen.clone()));
                outcome.tuples.insert(("UDP", *client, *server), next);
                asked.push(Asked {
                    probe,
                    socket: Some(socket),
                    tcp: None,
                });
                next += 1;
            }
        }
        asked
    }
}

impl Asked {
    /// Sends a datagram; TCP repeats by itself.
    async fn send(&self) {
        if let Some(socket) = &self.socket {
            // An error is that of an earlier packet; what must arrive is sent again.
            let server = server_of(&self.probe);
            let _ = socket.send_to(&token(self.probe.id), server).await;
        }
    }
}

fn server_of(probe: &Probe) -> SocketAddr {
    let port = probe.kind.protocol(false).1;
    SocketAddr::new(probe.to, port)
}

/// What a connection asks now; `None` when nobody has one of its addresses.
fn question(
    world: &World,
    objects: &Objects,
    id: u64,
    client: SocketAddr,
    server: SocketAddr,
    kind: fn(u16) -> Kind,
) -> Option<Probe> {
    let [from, to] = [client.ip(), server.ip()];
    let (host, other) = (world.host_at(from)?, world.host_at(to)?);
    let kind = kind(server.port());
    let [client, server] = [host, other].map(|number| &world.hosts[number]);
    let source = world.source(client, from, server);
    let answer = ask(objects, source, to, kind);
    let judged = Judged::between(client, server);
    Some(Probe {
        id,
        host,
        from,
        source,
        to,
        kind,
        allowed: judged.allows(&answer),
        answer,
        backends: None,
    })
}

/// What a connection to a service asks now, whatever has become of the service.
fn translated(world: &World, objects: &Objects, id: u64, tcp: &Tcp) -> Option<Probe> {
    let from = tcp.client.ip();
    let number = world.host_at(from)?;
    let host = &world.hosts[number];
    let kind = Kind::Tcp(tcp.server.port());
    let answer = services::real(world, objects, host, from, tcp.source, tcp.real, kind);
    let own = host.addresses.contains(&tcp.real.ip());
    let allowed = own || world.judged(host, tcp.real.ip()).allows(&answer);
    let backend = Backend {
        at: tcp.real,
        source: tcp.source,
        allowed,
        answer: answer.clone(),
    };
    Some(Probe {
        id,
        host: number,
        from,
        source: from,
        to: tcp.server.ip(),
        kind,
        answer,
        allowed,
        backends: Some(vec![backend]),
    })
}

fn name_at(world: &World, address: IpAddr) -> Option<String> {
    world.host_at(address).map(|host| world.hosts[host].name())
}

/// Notes the answers that a connection gets.
async fn read(mut stream: OwnedReadHalf, seen: Rc<Seen>) {
    let mut word = [0; TOKEN];
    while stream.read_exact(&mut word).await.is_ok() {
        if let Some(id) = read_token(&word) {
            seen.answer(id);
        }
    }
}
