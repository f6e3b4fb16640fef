//! The flows of one request, oldest first.

use std::collections::VecDeque;
use std::sync::Arc;

use enforcer_flows::{Page, Query, Record};
use jiff::Timestamp;
use tokio::sync::mpsc::Sender;
use tonic::Status;

use crate::convert::{flow, time};
use crate::filter::Filters;
use crate::mask::Mask;
use crate::node::Node;
use crate::proto::flow::{LostEvent, LostEventSource};
use crate::proto::observer::get_flows_response::ResponseTypes;
use crate::proto::observer::{GetFlowsRequest, GetFlowsResponse};
use crate::source::{Reader, Source};

/// What a request asks for.
#[derive(Debug)]
pub(crate) struct Wish {
    filters: Filters,
    mask: Mask,
    since: Option<Timestamp>,
    until: Option<Timestamp>,
    start: Start,
    /// At most so many.
    most: Option<u64>,
    follow: bool,
}

/// Where to begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Start {
    /// With the oldest, or with the first of its time.
    Oldest,
    /// With the last so many of those that are meant.
    Last(u64),
    /// With those to come.
    New,
}

/// Nobody listens any more.
pub(crate) struct Gone;

/// Where answers go.
type Answers = Sender<Result<GetFlowsResponse, Status>>;

impl Wish {
    /// Reads a request.
    pub(crate) fn read(request: GetFlowsRequest) -> Result<Self, Status> {
        let invalid = |error: &dyn std::error::Error| Status::invalid_argument(error.to_string());
        let filters = Filters::read(&request.whitelist, &request.blacklist);
        let mask = Mask::read(request.field_mask);
        let (number, follow) = (request.number, request.follow);
        if request.first && follow {
            return Err(Status::invalid_argument(
                "first cannot be asked for together with follow: leave one of them out",
            ));
        }
        let since = request
            .since
            .map(|since| moment("since", since))
            .transpose()?;
        let until = request
            .until
            .map(|until| moment("until", until))
            .transpose()?;
        let start = match (since, number) {
            (None, 0) if follow => Start::New,
            (None, 1..) if !request.first => Start::Last(number),
            _ => Start::Oldest,
        };
        Ok(Self {
            filters: filters.map_err(|error| invalid(&error))?,
            mask: mask.map_err(|error| invalid(&error))?,
            since,
            until,
            start,
            most: (number > 0 && !follow).then_some(number),
            follow,
        })
    }

    /// Answers, until all is told or nobody listens any more.
    pub(crate) async fn answer<S: Source>(
        &self,
        source: &S,
        node: &Node,
        answers: &Answers,
    ) -> Result<(), Gone> {
        let telling = Telling {
            wish: self,
            node,
            answers,
        };
        let after = match self.start {
            Start::New => None,
            Start::Oldest => telling.kept(source).await?,
            Start::Last(number) => telling.last(source, number).await?,
        };
        if self.follow {
            let query = Query {
                since: self.since,
                last: (self.start == Start::New).then_some(0),
                after,
                follow: true,
                ..Query::default()
            };
            telling.on(source.read(query)).await?;
        }
        Ok(())
    }

    fn means(&self, record: &Record, node: &Node) -> bool {
        self.until.is_none_or(|until| record.time <= until) && self.filters.matches(record, node)
    }
}

/// One request that is answered.
struct Telling<'a> {
    wish: &'a Wish,
    node: &'a Node,
    answers: &'a Answers,
}

impl Telling<'_> {
    /// What is kept. Gives the number of the last record that was looked at.
    async fn kept<S: Source>(&self, source: &S) -> Result<Option<u64>, Gone> {
        let mut reader = source.read(self.kept_query());
        let (mut after, mut told) = (None, 0);
        while let Some(page) = self.next(&mut reader).await? {
            self.lost(page.missed).await?;
            after = page.next.checked_sub(1);
            for record in self.meant(&page) {
                if self.wish.most.is_some_and(|most| told >= most) {
                    return Ok(after);
                }
                self.flow(record).await?;
                told += 1;
            }
        }
        Ok(after)
    }

    /// The last of what is kept.
    async fn last<S: Source>(&self, source: &S, number: u64) -> Result<Option<u64>, Gone> {
        let mut reader = source.read(self.kept_query());
        let (mut after, mut missed) = (None, 0);
        let mut last = VecDeque::new();
        while let Some(page) = self.next(&mut reader).await? {
            missed += page.missed;
            after = page.next.checked_sub(1);
            for record in self.meant(&page) {
                if last.len() as u64 >= number {
                    last.pop_front();
                }
                last.push_back(record.clone());
            }
        }
        self.lost(missed).await?;
        for record in &last {
            self.flow(record).await?;
        }
        Ok(after)
    }

    /// What comes, until it is later than is wanted.
    async fn on(&self, mut reader: impl Reader) -> Result<(), Gone> {
        while let Some(page) = self.next(&mut reader).await? {
            self.lost(page.missed).await?;
            for record in self.meant(&page) {
                self.flow(record).await?;
            }
            let until = self.wish.until;
            if until.is_some_and(|until| page.records.iter().any(|one| one.time > until)) {
                break;
            }
        }
        Ok(())
    }

    /// Waits no longer than somebody listens.
    async fn next(&self, reader: &mut impl Reader) -> Result<Option<Page>, Gone> {
        tokio::select! {
            page = reader.next() => Ok(page),
            () = self.answers.closed() => Err(Gone),
        }
    }

    fn kept_query(&self) -> Query {
        Query {
            since: self.wish.since,
            ..Query::default()
        }
    }

    fn meant<'a>(&'a self, page: &'a Page) -> impl Iterator<Item = &'a Record> {
        let records = page.records.iter();
        records.filter(|record| self.wish.means(record, self.node))
    }

    async fn flow(&self, record: &Record) -> Result<(), Gone> {
        let mut flow = flow(record, self.node);
        let (node_name, time) = (flow.node_name.clone(), flow.time);
        self.wish.mask.apply(&mut flow);
        let answer = GetFlowsResponse {
            node_name,
            time,
            response_types: Some(ResponseTypes::Flow(flow)),
        };
        self.send(answer).await
    }

    /// Which of the missed records were meant, nobody can say any more.
    async fn lost(&self, missed: u64) -> Result<(), Gone> {
        if missed == 0 {
            return Ok(());
        }
        let now = Some(time(Timestamp::now()));
        let lost = LostEvent {
            source: LostEventSource::HubbleRingBuffer.into(),
            num_events_lost: missed,
            first: now,
            last: now,
        };
        let answer = GetFlowsResponse {
            node_name: self.node.absolute(),
            time: now,
            response_types: Some(ResponseTypes::LostEvents(lost)),
        };
        self.send(answer).await
    }

    async fn send(&self, answer: GetFlowsResponse) -> Result<(), Gone> {
        self.answers.send(Ok(answer)).await.map_err(|_| Gone)
    }
}

/// Answers a request on a task of its own, which ends with the client.
pub(crate) async fn answer<S: Source>(wish: Wish, source: Arc<S>, node: Arc<Node>, to: Answers) {
    if wish.answer(&*source, &node, &to).await.is_err() {
        tracing::debug!("a client stopped listening to flows");
    }
}

fn moment(field: &str, moment: prost_types::Timestamp) -> Result<Timestamp, Status> {
    let valid = (0..1_000_000_000).contains(&moment.nanos);
    let read = Timestamp::new(moment.seconds, moment.nanos)
        .ok()
        .filter(|_| valid);
    read.ok_or_else(|| {
        Status::invalid_argument(format!(
            "{field} is no time: {} seconds and {} nanoseconds",
            moment.seconds, moment.nanos
        ))
    })
}
