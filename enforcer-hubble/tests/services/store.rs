//! What the daemon will give: the last records, and who follows them.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use enforcer_flows::{Limits, Page, Query, Record, Ring};
use enforcer_hubble::{Extent, Peers, Reader, Source};
use serde_json::json;
use tokio::sync::watch;

/// How many records are looked at in one go: few, so that reading takes several.
const PAGE: usize = 2;

/// The first number.
const FIRST: u64 = 1000;

#[derive(Clone)]
pub(crate) struct Store {
    ring: Arc<Mutex<Ring>>,
    head: watch::Sender<u64>,
    pub(crate) peers: watch::Sender<Peers>,
    /// Readers that there are.
    pub(crate) readers: Arc<AtomicUsize>,
    /// What the next readers say first.
    pub(crate) missed: Arc<Mutex<u64>>,
}

pub(crate) struct StoreReader {
    store: Store,
    query: Query,
    at: u64,
    end: u64,
    news: watch::Receiver<u64>,
}

impl Store {
    pub(crate) fn new() -> Self {
        let limits = Limits {
            records: 100,
            ..Limits::default()
        };
        Self {
            ring: Arc::new(Mutex::new(Ring::new(limits, FIRST))),
            head: watch::Sender::new(FIRST),
            peers: watch::Sender::new(Peers::new()),
            readers: Arc::default(),
            missed: Arc::default(),
        }
    }

    /// With this many records.
    pub(crate) fn with(records: u64) -> Self {
        let store = Self::new();
        (0..records).for_each(|second| store.push(second));
        store
    }

    /// Takes in a record of this second; every other one is a denial.
    pub(crate) fn push(&self, second: u64) {
        let (kind, reason) = if second.is_multiple_of(2) {
            ("opened", "allowed")
        } else {
            ("denied", "policy-denied")
        };
        let record: Record = serde_json::from_value(json!({
            "sequence": 0, "time": format!("2026-11-21T08:{:02}:{:02}Z", second / 60, second % 60), "node": "n2",
            "kind": kind, "reason": reason, "direction": "ingress", "hook": "ingress",
            "endpoint": "prod/db", "protocol": "TCP", "flags": "S",
            "policies": ["prod/db"],
            "source": {"address": "10.244.0.2", "port": 40_000 + second, "pod": "default/web",
                "node": "n1", "labels": {"app": "web"}, "workload": "Deployment/web"},
            "destination": {"address": "10.244.0.3", "port": 80, "pod": "prod/db", "node": "n2"},
            "count": 1, "length": 74,
        }))
        .unwrap();
        self.take(record);
    }

    /// Takes in a record.
    pub(crate) fn take(&self, record: Record) {
        let mut ring = self.ring.lock().unwrap();
        ring.push(record);
        self.head.send_replace(ring.head());
    }

    /// The first record that is kept.
    pub(crate) fn first(&self) -> Record {
        let ring = self.ring.lock().unwrap();
        let page = ring.read(&Query::default(), FIRST, u64::MAX, 1);
        page.records.into_iter().next().unwrap()
    }
}

impl Source for Store {
    type Reader = StoreReader;

    fn read(&self, query: Query) -> StoreReader {
        self.readers.fetch_add(1, Ordering::SeqCst);
        let news = self.head.subscribe();
        let head = *news.borrow();
        let at = match query.last {
            Some(0) => head,
            Some(other) => panic!("the last {other} are found by the services themselves"),
            None => query.after.map_or(FIRST, |after| after + 1),
        };
        StoreReader {
            store: self.clone(),
            at,
            end: if query.follow { u64::MAX } else { head },
            query,
            news,
        }
    }

    fn extent(&self) -> Extent {
        let ring = self.ring.lock().unwrap();
        Extent {
            kept: ring.len() as u64,
            most: ring.limits().records as u64,
            seen: ring.seen(),
        }
    }

    fn uptime(&self) -> Duration {
        Duration::from_secs(90)
    }

    async fn namespaces(&self) -> Option<Vec<String>> {
        Some(vec!["prod".to_owned(), "default".to_owned()])
    }

    fn peers(&self) -> watch::Receiver<Peers> {
        self.peers.subscribe()
    }
}

impl Reader for StoreReader {
    async fn next(&mut self) -> Option<Page> {
        loop {
            let mut page = {
                let ring = self.store.ring.lock().unwrap();
                ring.read(&self.query, self.at, self.end, PAGE)
            };
            page.missed += std::mem::take(&mut *self.store.missed.lock().unwrap());
            self.at = page.next;
            if !page.records.is_empty() || page.missed > 0 {
                return Some(page);
            }
            if page.next >= self.end {
                return None;
            }
            let next = page.next;
            if next >= *self.news.borrow() {
                self.news.wait_for(|head| *head > next).await.ok()?;
            }
        }
    }
}

impl Drop for StoreReader {
    fn drop(&mut self) {
        self.store.readers.fetch_sub(1, Ordering::SeqCst);
    }
}
