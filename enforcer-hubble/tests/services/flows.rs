//! `GetFlows`.

use std::sync::atomic::Ordering;

use enforcer_hubble::proto::flow::{Flow, FlowFilter};
use enforcer_hubble::proto::observer::get_flows_response::ResponseTypes;
use enforcer_hubble::proto::observer::observer_client::ObserverClient;
use enforcer_hubble::proto::observer::{GetFlowsRequest, GetFlowsResponse};
use prost::Message as _;
use prost_types::{FieldMask, Timestamp};
use tonic::{Code, Status, Streaming};

use crate::store::Store;
use crate::{run, soon};

fn second(second: i64) -> Timestamp {
    Timestamp {
        seconds: 1_795_248_000 + second,
        nanos: 0,
    }
}

fn denials() -> Vec<Vec<u8>> {
    let filter = FlowFilter {
        verdict: vec![2],
        ..FlowFilter::default()
    };
    vec![filter.encode_to_vec()]
}

async fn ask(
    store: &Store,
    request: GetFlowsRequest,
) -> Result<(crate::Running, Streaming<GetFlowsResponse>), Status> {
    let server = run(store, None).await;
    let mut client = ObserverClient::new(server.connect().await);
    let answers = client.get_flows(request).await?.into_inner();
    Ok((server, answers))
}

fn flow(answer: GetFlowsResponse) -> Flow {
    match answer.response_types {
        Some(ResponseTypes::Flow(flow)) => flow,
        other => panic!("no flow: {other:?}"),
    }
}

/// The second of a flow.
fn when(flow: &Flow) -> i64 {
    flow.time.unwrap().seconds - 1_795_248_000
}

/// The next flows.
async fn next(answers: &mut Streaming<GetFlowsResponse>, count: usize) -> Vec<i64> {
    let mut seconds = Vec::new();
    while seconds.len() < count {
        let answer = soon(answers.message()).await.unwrap().unwrap();
        seconds.push(when(&flow(answer)));
    }
    seconds
}

/// All flows of a request that ends.
async fn all(store: &Store, request: GetFlowsRequest) -> Vec<i64> {
    let (_server, mut answers) = ask(store, request).await.unwrap();
    let mut seconds = Vec::new();
    while let Some(answer) = soon(answers.message()).await.unwrap() {
        seconds.push(when(&flow(answer)));
    }
    seconds
}

fn request() -> GetFlowsRequest {
    GetFlowsRequest::default()
}

#[tokio::test]
async fn without_a_number_all_that_is_kept_comes_oldest_first() {
    let store = Store::with(5);
    assert_eq!(all(&store, request()).await, [0, 1, 2, 3, 4]);
    assert_eq!(all(&Store::new(), request()).await, [0_i64; 0]);
}

#[tokio::test]
async fn the_last_or_the_first_so_many_come_oldest_first() {
    let store = Store::with(5);
    let number = |number, first| GetFlowsRequest {
        number,
        first,
        ..request()
    };
    assert_eq!(all(&store, number(2, false)).await, [3, 4]);
    assert_eq!(all(&store, number(2, true)).await, [0, 1]);
    assert_eq!(all(&store, number(9, false)).await, [0, 1, 2, 3, 4]);
}

#[tokio::test]
async fn the_last_are_counted_among_those_that_are_meant() {
    let last = GetFlowsRequest {
        number: 2,
        whitelist: denials(),
        ..request()
    };
    assert_eq!(all(&Store::with(9), last).await, [5, 7]);
}

#[tokio::test]
async fn times_bound_what_comes_on_both_sides() {
    let store = Store::with(9);
    let span = GetFlowsRequest {
        since: Some(second(3)),
        until: Some(second(6)),
        ..request()
    };
    assert_eq!(all(&store, span.clone()).await, [3, 4, 5, 6]);
    let first = GetFlowsRequest { number: 2, ..span };
    assert_eq!(all(&store, first).await, [3, 4]);
    let last = GetFlowsRequest {
        number: 2,
        until: Some(second(6)),
        ..request()
    };
    assert_eq!(all(&store, last).await, [5, 6]);
}

#[tokio::test]
async fn filters_choose_and_take_away() {
    let store = Store::with(5);
    let chosen = GetFlowsRequest {
        whitelist: denials(),
        ..request()
    };
    assert_eq!(all(&store, chosen).await, [1, 3]);
    let taken = GetFlowsRequest {
        blacklist: denials(),
        ..request()
    };
    assert_eq!(all(&store, taken).await, [0, 2, 4]);
}

#[tokio::test]
async fn following_goes_on_with_what_comes_and_without_a_number_shows_nothing_older() {
    let store = Store::with(4);
    let follow = GetFlowsRequest {
        follow: true,
        ..request()
    };
    let (_server, mut answers) = ask(&store, follow.clone()).await.unwrap();
    let last = GetFlowsRequest {
        number: 1,
        whitelist: denials(),
        ..follow
    };
    let (_other, mut others) = ask(&store, last).await.unwrap();
    assert_eq!(next(&mut others, 1).await, [3]);
    while store.readers.load(Ordering::SeqCst) < 2 {
        tokio::task::yield_now().await;
    }
    (4..9).for_each(|second| store.push(second));
    assert_eq!(next(&mut answers, 5).await, [4, 5, 6, 7, 8]);
    assert_eq!(next(&mut others, 2).await, [5, 7]);
}

#[tokio::test]
async fn following_from_the_beginning_of_nothing_misses_nothing() {
    let store = Store::new();
    let follow = GetFlowsRequest {
        follow: true,
        number: 3,
        ..request()
    };
    let (_server, mut answers) = ask(&store, follow).await.unwrap();
    (0..7).for_each(|second| store.push(second));
    assert_eq!(next(&mut answers, 7).await, [0, 1, 2, 3, 4, 5, 6]);
}

#[tokio::test]
async fn following_ends_behind_the_time_that_bounds_it() {
    let store = Store::with(2);
    let follow = GetFlowsRequest {
        follow: true,
        since: Some(second(1)),
        until: Some(second(3)),
        ..request()
    };
    let (_server, mut answers) = ask(&store, follow).await.unwrap();
    (2..6).for_each(|second| store.push(second));
    assert_eq!(next(&mut answers, 3).await, [1, 2, 3]);
    assert!(soon(answers.message()).await.unwrap().is_none());
}

#[tokio::test]
async fn a_client_that_goes_leaves_no_reader_behind() {
    let store = Store::with(3);
    let follow = GetFlowsRequest {
        follow: true,
        number: 1,
        ..request()
    };
    let (server, mut answers) = ask(&store, follow).await.unwrap();
    assert_eq!(next(&mut answers, 1).await, [2]);
    soon(async {
        while store.readers.load(Ordering::SeqCst) != 1 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    drop(answers);
    soon(async {
        while store.readers.load(Ordering::SeqCst) != 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    drop(server);
}

#[tokio::test]
async fn what_was_missed_is_told_exactly() {
    let store = Store::with(2);
    *store.missed.lock().unwrap() = 17;
    let (_server, mut answers) = ask(&store, request()).await.unwrap();
    let answer = soon(answers.message()).await.unwrap().unwrap();
    assert_eq!(answer.node_name, "default/n2");
    assert!(answer.time.is_some());
    let Some(ResponseTypes::LostEvents(lost)) = answer.response_types else {
        panic!("{answer:?}");
    };
    assert_eq!((lost.num_events_lost, lost.source), (17, 3));
    assert_eq!(next(&mut answers, 2).await, [0, 1]);
}

#[tokio::test]
async fn an_answer_has_node_and_time_also_where_the_mask_takes_them_from_the_flow() {
    let masked = GetFlowsRequest {
        field_mask: Some(FieldMask {
            paths: vec!["verdict".to_owned(), "source.pod_name".to_owned()],
        }),
        ..request()
    };
    let (_server, mut answers) = ask(&Store::with(1), masked).await.unwrap();
    let answer = soon(answers.message()).await.unwrap().unwrap();
    assert_eq!(
        (answer.node_name.as_str(), answer.time),
        ("default/n2", Some(second(0)))
    );
    let flow = flow(answer);
    assert_eq!((flow.verdict, flow.time), (1, None));
    assert_eq!(flow.source.unwrap().pod_name, "web");
}

async fn refusal(request: GetFlowsRequest) -> String {
    let status = ask(&Store::new(), request).await.err().unwrap();
    assert_eq!(status.code(), Code::InvalidArgument);
    status.message().to_owned()
}

#[tokio::test]
async fn what_cannot_be_answered_is_refused_by_name() {
    let mut filter = Vec::new();
    prost::encoding::string::encode(18, &"example.com".to_owned(), &mut filter);
    let by_name = GetFlowsRequest {
        whitelist: vec![filter],
        ..request()
    };
    assert!(refusal(by_name).await.contains("dns_query"));
    let both = GetFlowsRequest {
        first: true,
        follow: true,
        ..request()
    };
    assert!(refusal(both).await.contains("first"));
    let mask = GetFlowsRequest {
        field_mask: Some(FieldMask {
            paths: vec!["colour".to_owned()],
        }),
        ..request()
    };
    assert!(refusal(mask).await.contains("colour"));
    let moment = GetFlowsRequest {
        until: Some(Timestamp {
            seconds: 0,
            nanos: -1,
        }),
        ..request()
    };
    assert!(refusal(moment).await.contains("until"));
}
