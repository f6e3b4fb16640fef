//! The flow records of all nodes, by time.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use enforcer_flows::{Query, Record};
use jiff::Timestamp;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::{sleep, sleep_until};

use super::FleetError;
use super::ask::Answer;
use super::daemons::{Place, census, find};
use super::merge::Merger;
use super::status::Fleet;
use crate::api::flows::Line;

/// How long records of one node wait for those of others that may be earlier, while following.
const WINDOW: Duration = Duration::from_secs(1);

/// How long nodes may take to begin, until what they kept is shown without the others' when following.
const BEGIN: Duration = Duration::from_secs(20);

/// How many records of a node wait here at most. Then its daemon waits, and counts what that costs.
const AHEAD: usize = 256;

/// How long to wait before a daemon that went away is looked for, and at most.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LAST_PAUSE: Duration = Duration::from_secs(30);

/// What is told of all nodes.
#[derive(Debug)]
pub enum Told {
    /// A record.
    Record(Box<Record>),
    /// A node's records before its next one were gone before they could be looked at.
    Missed {
        /// Which.
        node: String,
        /// How many.
        missed: u64,
    },
    /// A node cannot be asked, or no longer.
    Silent {
        /// Which.
        node: String,
        /// Why.
        why: String,
    },
    /// What could not be found out about the cluster.
    Note(String),
}

/// What a node's task says.
enum News {
    Begun,
    Record(Box<Record>, OwnedSemaphorePermit),
    Missed(u64),
    Silent(String),
    End,
}

type Sender = mpsc::Sender<(usize, News)>;

/// Records before the first news: by time, then in the order of nodes.
type Key = Timestamp;

struct Reading {
    merger: Merger<Key, (Box<Record>, OwnedSemaphorePermit)>,
    nodes: Vec<String>,
    /// Of what comes before the first news, only the last so many.
    last: Option<VecDeque<Box<Record>>>,
    wanted: usize,
    /// Until when nodes may begin, when following.
    begin: Option<Instant>,
}

impl Fleet {
    /// Reads the records of all nodes that a query means, by time; `tell` says whether to go on. `nodes`
    /// says which nodes are asked at all.
    ///
    /// # Errors
    /// When nobody can say which nodes there are, or `tell` fails. That a node does not answer is told.
    pub async fn flows<E: From<FleetError>>(
        &self,
        query: Query,
        nodes: impl Fn(&str) -> bool,
        mut tell: impl FnMut(Told) -> Result<bool, E>,
    ) -> Result<(), E> {
        let census = census(&self.client, &self.namespace).await?;
        for note in census.notes {
            tell(Told::Note(note))?;
        }
        let places = census.places.into_iter();
        let places: Vec<Place> = places.filter(|place| nodes(&place.node)).collect();
        let (sender, mut news) = mpsc::channel(AHEAD);
        let beginning = Arc::new(Semaphore::new(self.parallel.get()));
        let mut reading = Reading::new(&places, &query);
        for (number, place) in places.into_iter().enumerate() {
            let source = Source {
                fleet: self.clone(),
                number,
                query: query.clone(),
                sender: sender.clone(),
                beginning: Arc::clone(&beginning),
            };
            tokio::spawn(source.run(place));
        }
        drop(sender);
        reading.run(&mut news, &mut tell).await
    }
}

impl Reading {
    fn new(places: &[Place], query: &Query) -> Self {
        let begin = query.follow.then(|| Instant::now() + BEGIN);
        // Where only news are wanted, daemons send no others.
        let last = query.last.filter(|last| *last > 0 || !query.follow);
        let wanted = last.and_then(|last| usize::try_from(last).ok());
        Self {
            merger: Merger::new(places.len(), begin.map(|_| WINDOW), begin),
            nodes: places.iter().map(|place| place.node.clone()).collect(),
            last: last.map(|_| VecDeque::new()),
            wanted: wanted.unwrap_or(usize::MAX),
            begin,
        }
    }

    async fn run<E>(
        &mut self,
        news: &mut mpsc::Receiver<(usize, News)>,
        tell: &mut impl FnMut(Told) -> Result<bool, E>,
    ) -> Result<(), E> {
        loop {
            let now = Instant::now();
            while let Some((_, (record, permit))) = self.merger.next(now) {
                drop(permit);
                if !self.take(record, tell)? {
                    return Ok(());
                }
            }
            if self.is_caught_up(now) && !self.tell_last(tell)? {
                return Ok(());
            }
            let deadline = self.merger.deadline();
            let deadline = deadline.unwrap_or(now + WINDOW);
            tokio::select! {
                one = news.recv() => match one {
                    Some((source, one)) => if !self.hear(source, one, tell)? {
                        return Ok(());
                    },
                    None => break,
                },
                () = sleep_until(deadline.into()) => {}
            }
        }
        while let Some((_, (record, _))) = self.merger.next(Instant::now()) {
            if !self.take(record, tell)? {
                return Ok(());
            }
        }
        self.tell_last(tell).map(drop)
    }

    fn hear<E>(
        &mut self,
        source: usize,
        news: News,
        tell: &mut impl FnMut(Told) -> Result<bool, E>,
    ) -> Result<bool, E> {
        let node = || self.nodes.get(source).cloned().unwrap_or_default();
        let told = match news {
            News::Record(record, permit) => {
                let key = record.time;
                self.merger.push(source, key, (record, permit));
                return Ok(true);
            }
            News::Begun => {
                self.merger.begin(source, Instant::now());
                return Ok(true);
            }
            News::End => {
                self.merger.end(source);
                return Ok(true);
            }
            News::Missed(missed) => Told::Missed {
                node: node(),
                missed,
            },
            News::Silent(why) => Told::Silent { node: node(), why },
        };
        tell(told)
    }

    /// Whether what nodes had kept has come, when following.
    fn is_caught_up(&self, now: Instant) -> bool {
        let late = |begin| now > begin;
        self.last.is_some()
            && self
                .begin
                .is_some_and(|begin| self.merger.is_quiet() || late(begin))
    }

    fn take<E>(
        &mut self,
        record: Box<Record>,
        tell: &mut impl FnMut(Told) -> Result<bool, E>,
    ) -> Result<bool, E> {
        match &mut self.last {
            None => tell(Told::Record(record)),
            Some(last) => {
                last.push_back(record);
                if last.len() > self.wanted {
                    last.pop_front();
                }
                Ok(true)
            }
        }
    }

    fn tell_last<E>(&mut self, tell: &mut impl FnMut(Told) -> Result<bool, E>) -> Result<bool, E> {
        for record in self.last.take().unwrap_or_default() {
            if !tell(Told::Record(record))? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// One node's records.
struct Source {
    fleet: Fleet,
    number: usize,
    query: Query,
    sender: Sender,
    beginning: Arc<Semaphore>,
}

impl Source {
    async fn run(mut self, mut place: Place) {
        let mut pause = FIRST_PAUSE;
        let mut said = None;
        loop {
            match self.read(&place).await {
                Ok(()) => {
                    (pause, said) = (FIRST_PAUSE, None);
                    if !self.query.follow {
                        break;
                    }
                }
                Err(why) => {
                    // Once for each reason, not each time.
                    if said.as_ref() != Some(&why) && !self.say(News::Silent(why.clone())).await {
                        return;
                    }
                    said = Some(why);
                    if !self.query.follow {
                        break;
                    }
                }
            }
            // What follows is only what is new.
            sleep(pause).await;
            pause = (pause * 2).min(LAST_PAUSE);
            if self.sender.is_closed() {
                return;
            }
            let Fleet {
                client, namespace, ..
            } = &self.fleet;
            if let Ok(found) = find(client, namespace, &place.node).await {
                place = found;
            }
        }
        self.say(News::End).await;
    }

    /// Reads until the daemon ends; says why if it does not answer.
    async fn read(&mut self, place: &Place) -> Result<(), String> {
        let begun = self.begin(place).await;
        // Those who wait need not wait for this one.
        if !self.say(News::Begun).await {
            return Ok(());
        }
        let mut answer = begun?;
        let ahead = Arc::new(Semaphore::new(AHEAD));
        loop {
            let line = answer.next_flow().await;
            let news = match line.map_err(|error| error.to_string())? {
                None if self.query.follow => return Err("the daemon ended".to_owned()),
                None => return Ok(()),
                Some(Line::Missed { missed: 0, .. } | Line::Failed { .. }) => continue,
                Some(Line::Missed { missed, .. }) => News::Missed(missed),
                Some(Line::Record(record)) => {
                    let permit = Arc::clone(&ahead).acquire_owned().await;
                    let permit = permit.map_err(|error| error.to_string())?;
                    // From there on, should the daemon go away.
                    self.query.after = Some(record.sequence);
                    self.query.last = None;
                    News::Record(record, permit)
                }
            };
            if !self.say(news).await {
                return Ok(());
            }
        }
    }

    async fn begin(&self, place: &Place) -> Result<Answer, String> {
        let peer = self.fleet.peer(place)?;
        let permit = self.beginning.acquire().await;
        let answer = peer.flows(self.query.clone()).await;
        drop(permit);
        answer.map_err(|error| error.to_string())
    }

    /// `false` when nobody listens any more.
    async fn say(&self, news: News) -> bool {
        self.sender.send((self.number, news)).await.is_ok()
    }
}
