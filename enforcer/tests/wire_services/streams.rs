//! What a revoked backend goes on sending to a client that reached it by a service: not one packet
//! of it arrives, under the service's address or the backend's own.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use enforcer_lab::{Namespace, Pod};
use serde_json::{Value, json};

use crate::common::{LONG, app, eventually, policy};
use crate::world::{PORT, TARGET, World, cluster_ips, everywhere};

/// Time between two datagrams of a stream.
const PACE: Duration = Duration::from_millis(2);
/// Time in which none of hundreds of datagrams must arrive.
const SILENCE: Duration = Duration::from_millis(600);
/// How long a socket waits at a time.
const PATIENCE: Duration = Duration::from_millis(50);

/// When the tests began.
static BEGIN: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Microseconds since then.
fn now() -> u64 {
    BEGIN.elapsed().as_micros().try_into().unwrap()
}

/// Answers one datagram without end with a number and the time, at port [`TARGET`] of an address.
struct Source {
    end: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
    streams: Arc<AtomicU64>,
}

impl Source {
    fn start(pod: &Pod) -> Self {
        let (end, streams) = (Arc::default(), Arc::default());
        let serve = |address: &IpAddr| {
            let socket = bound(pod, SocketAddr::new(*address, TARGET));
            let (end, streams) = (Arc::clone(&end), Arc::clone(&streams));
            thread::spawn(move || pour(&socket, &end, &streams))
        };
        Self {
            threads: pod.addresses.iter().map(serve).collect(),
            end,
            streams,
        }
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        self.end.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

fn bound(at: &Namespace, address: SocketAddr) -> UdpSocket {
    at.run(|| {
        let socket = UdpSocket::bind(address).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Ok(socket)
    })
    .unwrap()
}

fn pour(socket: &UdpSocket, end: &AtomicBool, streams: &AtomicU64) {
    let mut clients: Vec<SocketAddr> = Vec::new();
    let mut word = [0; 8];
    socket.set_read_timeout(Some(PACE)).unwrap();
    let mut number = 0_u64;
    while !end.load(Ordering::Relaxed) {
        // An error may be that of an earlier datagram that nobody wanted.
        if let Ok((_, client)) = socket.recv_from(&mut word)
            && !clients.contains(&client)
        {
            clients.push(client);
            streams.fetch_add(1, Ordering::Relaxed);
        }
        number += 1;
        let words = [number.to_be_bytes(), now().to_be_bytes()].concat();
        for client in &clients {
            let _ = socket.send_to(&words, client);
        }
    }
}

/// A client that asked once, and only listens since, to whoever sends.
struct Stream {
    name: String,
    socket: UdpSocket,
    service: SocketAddr,
    end: Arc<AtomicBool>,
    heard: Arc<Heard>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Heard {
    datagrams: AtomicU64,
    /// Numbers that are missing between two that came.
    lost: AtomicU64,
    /// When the last was sent.
    last: AtomicU64,
}

impl Stream {
    fn open(name: &str, from: &Pod, own: IpAddr, service: SocketAddr) -> Self {
        let socket = bound(from, SocketAddr::new(own, 0));
        let (end, heard) = (Arc::new(AtomicBool::default()), Arc::new(Heard::default()));
        let (listener, ends, hears) = (
            socket.try_clone().unwrap(),
            Arc::clone(&end),
            Arc::clone(&heard),
        );
        let stream = Self {
            name: format!("{name}: {} ← {service}", socket.local_addr().unwrap()),
            socket,
            service,
            end,
            heard,
            thread: Some(thread::spawn(move || listen(&listener, &ends, &hears))),
        };
        stream.asks();
        stream.goes_on();
        stream
    }

    fn asks(&self) {
        self.socket.send_to(b"question", self.service).unwrap();
    }

    fn count(&self) -> u64 {
        self.heard.datagrams.load(Ordering::Relaxed)
    }

    /// Asks all the time, until it ends.
    fn insists(&self) -> Insistence {
        let (socket, service) = (self.socket.try_clone().unwrap(), self.service);
        let end = Arc::new(AtomicBool::default());
        let ends = Arc::clone(&end);
        let thread = thread::spawn(move || {
            while !ends.load(Ordering::Relaxed) {
                socket.send_to(b"question", service).unwrap();
                thread::sleep(PACE / 4);
            }
        });
        Insistence {
            end,
            thread: Some(thread),
        }
    }

    /// Fails unless more comes, and nothing was ever missing.
    fn goes_on(&self) {
        let wanted = self.count() + 20;
        eventually(&format!("{} goes on", self.name), || self.count() >= wanted);
        let lost = self.heard.lost.load(Ordering::Relaxed);
        assert_eq!(lost, 0, "{} lost datagrams", self.name);
    }

    /// Fails if anything comes that is sent after a time.
    fn is_silent_since(&self, begin: u64) {
        let end = Instant::now() + SILENCE;
        while Instant::now() < end {
            let last = self.heard.last.load(Ordering::Relaxed);
            assert!(last <= begin, "{} goes on", self.name);
            thread::sleep(PACE);
        }
    }

    /// Fails unless it ends, for good.
    fn falls_silent(&self) {
        let begin = Instant::now();
        let quiet = u64::try_from(SILENCE.as_micros()).unwrap();
        eventually(&format!("{} ends", self.name), || {
            begin.elapsed() > SILENCE && self.heard.last.load(Ordering::Relaxed) + quiet < now()
        });
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.end.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// A client that asks.
struct Insistence {
    end: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Insistence {
    fn drop(&mut self) {
        self.end.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn listen(socket: &UdpSocket, end: &AtomicBool, heard: &Heard) {
    let mut words = [0; 16];
    let mut last = None;
    while !end.load(Ordering::Relaxed) {
        if socket.recv_from(&mut words).is_err() {
            continue;
        }
        let word = |at: usize| u64::from_be_bytes(words[at..at + 8].try_into().unwrap());
        let (number, time) = (word(0), word(8));
        let missing = last.map_or(0, |last: u64| number.saturating_sub(last + 1));
        last = Some(number);
        heard.lost.fetch_add(missing, Ordering::Relaxed);
        heard.last.store(time, Ordering::Relaxed);
        heard.datagrams.fetch_add(1, Ordering::Relaxed);
    }
}

/// Fails if anything comes that is sent from now on.
fn are_silent(streams: &[Stream]) {
    let begin = now();
    for stream in streams {
        stream.is_silent_since(begin);
    }
}

/// A policy that isolates a pod in both directions and lets it open connections to these.
fn may_reach(client: &str, servers: &[&str]) -> Value {
    let to: Vec<Value> = servers.iter().map(|name| app(name)).collect();
    let rules = if to.is_empty() {
        json!([])
    } else {
        json!([{ "to": to }])
    };
    let spec = json!({
        "podSelector": {"matchLabels": {"app": client}},
        "policyTypes": ["Ingress", "Egress"], "egress": rules,
    });
    policy(client, &spec)
}

/// A service with two backends that stream.
struct Streams {
    sources: [Source; 2],
}

impl Streams {
    fn start(world: &mut World) -> Self {
        let pods = ["kept", "revoked"].map(|name| world.pod(name));
        world.service("web", 1, &pods.each_ref());
        Self {
            sources: pods.each_ref().map(Source::start),
        }
    }

    /// Streams to a client, at least one of each backend and family; first those of the first.
    fn open(&self, name: &str, client: &Pod) -> [Vec<Stream>; 2] {
        let mut found = [Vec::new(), Vec::new()];
        for (own, service) in own_addresses(client).into_iter().zip(cluster_ips(1)) {
            let mut of_family = [Vec::new(), Vec::new()];
            while of_family.iter().any(Vec::is_empty) {
                let before = self.taken();
                let stream = Stream::open(name, client, own, SocketAddr::new(service, PORT));
                let after = self.taken();
                let backend = (0..2).find(|index| after[*index] > before[*index]);
                of_family[backend.unwrap()].push(stream);
            }
            for (all, more) in found.iter_mut().zip(of_family) {
                all.extend(more);
            }
        }
        found
    }

    fn taken(&self) -> [u64; 2] {
        self.sources
            .each_ref()
            .map(|source| source.streams.load(Ordering::Relaxed))
    }
}

fn own_addresses(pod: &Pod) -> [IpAddr; 2] {
    [pod.v4(), pod.v6()].map(Option::unwrap)
}

#[test]
fn what_a_revoked_backend_streams_ends_and_no_other_stream_loses_a_datagram() {
    everywhere(|world| {
        let [client, other] = ["client", "other"].map(|name| world.pod(name));
        let backends = Streams::start(world);
        for name in ["client", "other"] {
            world.put(&may_reach(name, &["kept", "revoked"]));
        }
        world.start("");
        let [kept, revoked] = backends.open("client", &client);
        let others = backends.open("other", &other);
        world.put(&may_reach("client", &["kept"]));
        world.settle();
        are_silent(&revoked);
        kept.iter()
            .chain(others.iter().flatten())
            .for_each(Stream::goes_on);
    });
}

#[test]
fn a_client_that_becomes_isolated_hears_no_more_of_a_forbidden_backend() {
    everywhere(|world| {
        let client = world.pod("client");
        let backends = Streams::start(world);
        world.start("");
        let [kept, revoked] = backends.open("client", &client);
        world.put(&may_reach("client", &["kept"]));
        world.settle();
        are_silent(&revoked);
        kept.iter().for_each(Stream::goes_on);
    });
}

#[test]
fn what_is_revoked_while_no_daemon_runs_ends_when_one_starts() {
    everywhere(|world| {
        let client = world.pod("client");
        let backends = Streams::start(world);
        world.put(&may_reach("client", &["kept", "revoked"]));
        world.start("");
        let [kept, revoked] = backends.open("client", &client);
        world.daemon.take().unwrap().stop(LONG).unwrap();
        world.put(&may_reach("client", &["kept"]));
        world.start("");
        world.settle();
        are_silent(&revoked);
        kept.iter().for_each(Stream::goes_on);
    });
}

#[test]
fn a_service_that_goes_with_its_policy_leaves_no_stream_behind() {
    everywhere(|world| {
        let client = world.pod("client");
        let backends = Streams::start(world);
        world.put(&may_reach("client", &["kept", "revoked"]));
        world.start("");
        let [kept, revoked] = backends.open("client", &client);
        // Connections that are there go on being translated.
        for name in ["Service-default-web", "EndpointSlice-default-web-ipv4"] {
            let file = world.lab.manifests().join(format!("{name}.json"));
            std::fs::remove_file(file).unwrap();
        }
        world.put(&may_reach("client", &["kept"]));
        world.settle();
        are_silent(&revoked);
        kept.iter().for_each(Stream::goes_on);
    });
}

/// A service with one backend, and a stream of it in each family. Pods are gone when dropped.
struct Alone {
    streams: Vec<Stream>,
    _source: Source,
    _pods: [Pod; 2],
}

impl Alone {
    fn start(world: &mut World) -> Self {
        let pods = ["client", "revoked"].map(|name| world.pod(name));
        let [client, pod] = &pods;
        world.service("web", 1, &[pod]);
        let source = Source::start(pod);
        world.put(&may_reach("client", &["revoked"]));
        world.start("");
        let open = |(own, to)| Stream::open("client", client, own, SocketAddr::new(to, PORT));
        let pairs = own_addresses(client).into_iter().zip(cluster_ips(1));
        Self {
            streams: pairs.map(open).collect(),
            _source: source,
            _pods: pods,
        }
    }
}

/// What the client sends is translated anew, here to the same backend: it has no other.
#[test]
fn a_client_that_asks_a_forbidden_backend_again_does_not_let_its_stream_in_again() {
    everywhere(|world| {
        let Alone { streams, .. } = &Alone::start(world);
        world.put(&may_reach("client", &[]));
        world.settle();
        are_silent(streams);
        streams.iter().for_each(Stream::asks);
        streams.iter().for_each(Stream::falls_silent);
        // Nor is it cut for longer than it is forbidden.
        world.put(&may_reach("client", &["revoked"]));
        world.settle();
        for stream in streams {
            let before = stream.count();
            eventually(&format!("{} comes back", stream.name), || {
                stream.asks();
                stream.count() > before
            });
        }
    });
}

#[test]
fn a_client_that_never_stops_asking_hears_no_more_of_a_forbidden_backend() {
    everywhere(|world| {
        let Alone { streams, .. } = &Alone::start(world);
        let _questions: Vec<_> = streams.iter().map(Stream::insists).collect();
        world.put(&may_reach("client", &[]));
        world.settle();
        streams.iter().for_each(Stream::falls_silent);
        are_silent(streams);
    });
}
