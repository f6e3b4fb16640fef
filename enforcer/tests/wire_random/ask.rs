//! Asking many questions at a time.
//!
//! No pause decides anything: what must arrive is sent again until it does, and what must not
//! arrive is wrong whenever it does, be it rounds later, because every packet carries the number
//! of its question.

use std::collections::{BTreeMap, HashSet};
use std::io::{ErrorKind, Result};
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::time::{Duration, Instant};

use socket2::{Socket, Type};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, UdpSocket};
use tokio::task::JoinSet;

use crate::common::LONG;
use crate::packet::{echo_request, gre, init, sctp_client};
use crate::probe::{Kind, Probe, Wrong};
use crate::reports::Tuple;
use crate::serve::{Seen, TOKEN, bound, read_token, token};
use crate::world::World;

/// Time between two attempts of what must arrive.
pub(crate) const AGAIN: Duration = Duration::from_millis(500);
/// Time after the last answer in which what is denied may still show that it is not.
pub(crate) const GRACE: Duration = Duration::from_millis(150);
/// Packets that are sent before their receivers get a turn: no queue on the way is as short.
const BURST: usize = 16;

/// What came of asking.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) wrong: Vec<Wrong>,
    /// Questions that needed more than one attempt.
    pub(crate) repeated: usize,
    /// The question of each connection or datagram.
    pub(crate) tuples: BTreeMap<Tuple, u64>,
}

/// Sockets of one stage for packets that are no TCP.
struct Clients {
    udp: BTreeMap<IpAddr, Rc<UdpSocket>>,
    ping: BTreeMap<IpAddr, Rc<UdpSocket>>,
    raw: BTreeMap<(IpAddr, u8), Rc<UdpSocket>>,
    /// One for each question to a service: all that one socket sends goes to the same backend.
    services: BTreeMap<u64, Rc<UdpSocket>>,
    tasks: JoinSet<()>,
}

/// Asks all of them; gives what was otherwise than expected.
pub(crate) async fn ask(world: &mut World, seen: &Rc<Seen>, probes: &[Probe]) -> Outcome {
    let mut outcome = Outcome::default();
    let clients = Clients::open(world, seen, probes);
    let mut connections = JoinSet::new();
    connect_all(world, seen, probes, &mut connections, &mut outcome).await;
    let datagrams = || probes.iter().filter(|probe| !is_tcp(probe));
    clients.send(datagrams(), &mut outcome).await;

    let mut waiting: Vec<&Probe> = probes.iter().filter(|probe| probe.allowed).collect();
    let mut repeated = HashSet::new();
    let (begin, mut again) = (Instant::now(), Instant::now() + AGAIN);
    loop {
        waiting.retain(|probe| !is_done(seen, probe));
        if waiting.is_empty() || begin.elapsed() > LONG {
            break;
        }
        if again < Instant::now() {
            repeated.extend(waiting.iter().map(|probe| probe.id));
            let missing = waiting.iter().copied().filter(|probe| !is_tcp(probe));
            clients.send(missing, &mut outcome).await;
            again = Instant::now() + AGAIN;
        }
        let _ = tokio::time::timeout(AGAIN / 4, seen.news.notified()).await;
    }
    outcome.repeated = repeated.len();
    for probe in waiting {
        outcome.wrong(probe, "nothing arrives");
    }
    clients
        .send(datagrams().filter(|probe| !probe.allowed), &mut outcome)
        .await;
    tokio::time::sleep(GRACE).await;
    outcome.leaks(seen, probes);
    outcome
}

impl Outcome {
    /// What came of asking more.
    pub(crate) fn add(&mut self, mut other: Self) {
        self.wrong.append(&mut other.wrong);
        self.tuples.append(&mut other.tuples);
        self.repeated += other.repeated;
    }

    pub(crate) fn wrong(&mut self, probe: &Probe, seen: impl Into<String>) {
        self.wrong.push(Wrong {
            probe: probe.clone(),
            seen: seen.into(),
        });
    }

    /// Finds what arrived where it must not.
    pub(crate) fn leaks(&mut self, seen: &Seen, probes: &[Probe]) {
        let (answered, connected) = (seen.answered.borrow(), seen.connected.borrow());
        let arrived = seen.arrived.borrow();
        for probe in probes {
            for (at, source) in arrived.get(&probe.id).into_iter().flatten() {
                if !probe.may_arrive_at(*at, *source) {
                    self.wrong(probe, format!("it arrives at {at}, from {source}"));
                }
            }
            if probe.may_arrive() {
                continue;
            }
            if answered.contains(&probe.id) {
                self.wrong(probe, "it is answered");
            } else if connected.contains(&probe.id) {
                self.wrong(probe, "it is connected");
            }
        }
    }
}

fn is_tcp(probe: &Probe) -> bool {
    matches!(probe.kind, Kind::Tcp(_))
}

fn is_done(seen: &Seen, probe: &Probe) -> bool {
    match probe.kind {
        Kind::Tcp(_) | Kind::Udp(_) | Kind::Icmp => seen.answered.borrow().contains(&probe.id),
        Kind::Sctp(_) | Kind::Gre => seen.arrived.borrow().contains_key(&probe.id),
    }
}

/// Begins all connections.
async fn connect_all(
    world: &mut World,
    seen: &Rc<Seen>,
    probes: &[Probe],
    connections: &mut JoinSet<()>,
    outcome: &mut Outcome,
) {
    let mut by_host: BTreeMap<usize, Vec<(&Probe, SocketAddr)>> = BTreeMap::new();
    for probe in probes.iter().filter(|probe| is_tcp(probe)) {
        let client = SocketAddr::new(probe.from, world.fresh_port());
        by_host.entry(probe.host).or_default().push((probe, client));
    }
    for (host, list) in by_host {
        let at = world.at(&world.hosts[host]);
        let open = |(_, client): &(&Probe, SocketAddr)| bound(*client, Type::STREAM, None);
        let sockets = at.run(|| Ok(list.iter().map(open).collect::<Vec<_>>()));
        for (socket, (probe, client)) in sockets.unwrap().into_iter().zip(list) {
            let Kind::Tcp(port) = probe.kind else {
                continue;
            };
            let server = SocketAddr::new(probe.to, port);
            outcome.tuples.insert(("TCP", client, server), probe.id);
            connections.spawn_local(exchange(socket, server, probe.id, seen.clone()));
            if connections.len().is_multiple_of(BURST) {
                tokio::task::yield_now().await;
            }
        }
    }
}

/// Connects, sends the token and waits for it to come back.
async fn exchange(socket: Socket, server: SocketAddr, id: u64, seen: Rc<Seen>) {
    // No TIME_WAIT: the client closes by a reset.
    socket.set_linger(Some(Duration::ZERO)).unwrap();
    let socket = TcpSocket::from_std_stream(socket.into());
    let Ok(mut stream) = socket.connect(server).await else {
        return;
    };
    seen.connected.borrow_mut().insert(id);
    let mut word = [0; TOKEN];
    if stream.write_all(&token(id)).await.is_ok()
        && stream.read_exact(&mut word).await.is_ok()
        && word == token(id)
    {
        seen.answer(id);
    }
}

impl Clients {
    fn open(world: &mut World, seen: &Rc<Seen>, probes: &[Probe]) -> Self {
        let mut clients = Self {
            udp: BTreeMap::new(),
            ping: BTreeMap::new(),
            raw: BTreeMap::new(),
            services: BTreeMap::new(),
            tasks: JoinSet::new(),
        };
        let port = world.fresh_port();
        for host in &world.hosts {
            let addresses = &host.addresses;
            let sockets = world.at(host).run(|| {
                let both = |address: &IpAddr| {
                    let (v4, v6) = (socket2::Protocol::ICMPV4, socket2::Protocol::ICMPV6);
                    let protocol = if address.is_ipv6() { v6 } else { v4 };
                    let here = |port| SocketAddr::new(*address, port);
                    let udp = bound(here(port), Type::DGRAM, None);
                    (*address, udp, bound(here(0), Type::DGRAM, Some(protocol)))
                };
                Ok(addresses.iter().map(both).collect::<Vec<_>>())
            });
            for (address, udp, ping) in sockets.unwrap() {
                let udp = Rc::new(UdpSocket::from_std(udp.into()).unwrap());
                let ping = Rc::new(UdpSocket::from_std(ping.into()).unwrap());
                clients
                    .tasks
                    .spawn_local(receive(udp.clone(), seen.clone()));
                clients
                    .tasks
                    .spawn_local(receive(ping.clone(), seen.clone()));
                clients.udp.insert(address, udp);
                clients.ping.insert(address, ping);
            }
            let raw = host.servers.raw.iter();
            let raw =
                raw.map(|(address, protocol, socket)| ((*address, *protocol), socket.clone()));
            clients.raw.extend(raw);
        }
        let to_service = |probe: &&Probe| probe.backends.is_some() && !is_tcp(probe);
        for probe in probes.iter().filter(to_service) {
            let here = SocketAddr::new(probe.from, world.fresh_port());
            let at = world.at(&world.hosts[probe.host]);
            let socket = at.run(|| Ok(bound(here, Type::DGRAM, None))).unwrap();
            let socket = Rc::new(UdpSocket::from_std(socket.into()).unwrap());
            clients
                .tasks
                .spawn_local(receive(socket.clone(), seen.clone()));
            clients.services.insert(probe.id, socket);
        }
        clients
    }

    async fn send(&self, probes: impl Iterator<Item = &Probe>, outcome: &mut Outcome) {
        for (number, probe) in probes.enumerate() {
            let sent = match probe.kind {
                Kind::Udp(port) => {
                    let client = self
                        .services
                        .get(&probe.id)
                        .unwrap_or(&self.udp[&probe.from]);
                    let server = SocketAddr::new(probe.to, port);
                    let tuple = ("UDP", client.local_addr().unwrap(), server);
                    outcome.tuples.insert(tuple, probe.id);
                    client.send_to(&token(probe.id), server).await.map(drop)
                }
                Kind::Icmp => send_by(&self.ping[&probe.from], probe, &echo_request(probe)).await,
                Kind::Sctp(port) => {
                    let client = SocketAddr::new(probe.from, sctp_client(probe.id));
                    let tuple = ("SCTP", client, SocketAddr::new(probe.to, port));
                    outcome.tuples.insert(tuple, probe.id);
                    send_by(&self.raw[&(probe.from, 132)], probe, &init(probe.id, port)).await
                }
                Kind::Gre => send_by(&self.raw[&(probe.from, 47)], probe, &gre(probe.id)).await,
                Kind::Tcp(_) => Ok(()),
            };
            match sent {
                // An error is that of an earlier packet: "unreachable".
                Err(error) if error.kind() == ErrorKind::ConnectionRefused => {}
                Err(error) => outcome.wrong(probe, format!("cannot be sent: {error}")),
                Ok(()) => {}
            }
            if number % BURST == BURST - 1 {
                tokio::task::yield_now().await;
            }
        }
    }
}

async fn send_by(socket: &UdpSocket, probe: &Probe, packet: &[u8]) -> Result<()> {
    socket
        .send_to(packet, SocketAddr::new(probe.to, 0))
        .await
        .map(drop)
}

/// Receives answers, to datagrams and to echo requests.
pub(crate) async fn receive(socket: Rc<UdpSocket>, seen: Rc<Seen>) {
    let mut buffer = [0; 64];
    loop {
        // An error is that of a packet sent before, such as "unreachable".
        let length = socket.recv(&mut buffer).await.unwrap_or(0);
        if let Some(id) = read_token(&buffer[..length]) {
            seen.answer(id);
        }
    }
}
