use enforcer_flows::Verdict;
use serde_json::json;

use super::*;

fn record(verdict: Verdict) -> Record {
    let kind = if verdict == Verdict::Denied {
        "denied"
    } else {
        "opened"
    };
    let value = json!({"sequence": 0, "time": "2026-11-21T08:00:00Z", "kind": kind,
        "reason": "allowed", "direction": "ingress", "hook": "ingress", "protocol": "TCP",
        "source": {}, "destination": {}, "policies": [], "count": 1, "length": 74});
    serde_json::from_value(value).unwrap()
}

fn store(records: usize) -> FlowStore {
    FlowStore::new(Limits {
        records,
        bytes: usize::MAX,
    })
}

fn denials(last: Option<u64>) -> Query {
    Query {
        filter: ["verdict=denied".parse().unwrap()].into_iter().collect(),
        last,
        ..Query::default()
    }
}

/// Every hundredth is a denial.
fn fill(store: &FlowStore, count: usize) {
    store.extend((0..count).map(|number| {
        record(if number % 100 == 0 {
            Verdict::Denied
        } else {
            Verdict::Allowed
        })
    }));
}

async fn all(reader: &mut Reader) -> Vec<u64> {
    let mut numbers = Vec::new();
    while let Some(page) = reader.next().await {
        assert_eq!((page.missed, page.restarted), (0, false));
        numbers.extend(page.records.iter().map(|one| one.sequence));
    }
    numbers
}

#[tokio::test]
async fn a_reader_ends_with_what_there_was_when_it_began() {
    let store = store(10_000);
    fill(&store, 2000);
    let mut reader = store.read(Query::default());
    fill(&store, 1000);
    let numbers = all(&mut reader).await;
    assert_eq!(numbers.len(), 2000);
    assert!(numbers.windows(2).all(|two| two[0] + 1 == two[1]));
    let empty = FlowStore::new(Limits::default());
    assert!(all(&mut empty.read(Query::default())).await.is_empty());
}

#[tokio::test]
async fn of_what_is_wanted_the_last_are_found_over_many_pages() {
    let store = store(10_000);
    fill(&store, 5000);
    let everything = all(&mut store.read(denials(None))).await;
    assert_eq!(everything.len(), 50);
    for last in [0, 1, 7, 49, 50, 1000] {
        let found = all(&mut store.read(denials(Some(last)))).await;
        let skipped = 50_usize.saturating_sub(usize::try_from(last).unwrap());
        assert_eq!(found, everything[skipped..], "{last}");
    }
}

#[tokio::test]
async fn a_follower_gets_what_comes_and_is_told_what_it_missed() {
    let store = store(10);
    fill(&store, 5);
    let query = Query {
        follow: true,
        last: Some(0),
        ..Query::default()
    };
    let mut reader = store.read(query);
    // It waits: nothing has come yet.
    let waiting = tokio::time::timeout(std::time::Duration::from_millis(20), reader.next()).await;
    assert!(waiting.is_err());
    fill(&store, 1);
    assert_eq!(reader.next().await.unwrap().records.len(), 1);
    fill(&store, 25);
    let page = reader.next().await.unwrap();
    assert_eq!((page.missed, page.records.len()), (15, 10));
}

#[tokio::test]
async fn a_reader_that_comes_back_goes_on_where_it_was() {
    let store = store(100);
    fill(&store, 30);
    let numbers = all(&mut store.read(Query::default())).await;
    let query = |after| Query {
        after: Some(after),
        ..Query::default()
    };
    let rest = all(&mut store.read(query(numbers[9]))).await;
    assert_eq!(rest, numbers[10..]);
    // The number is of an earlier daemon.
    let page = store.read(query(17)).next().await.unwrap();
    assert!(page.restarted);
    assert_eq!((page.missed, page.records.len()), (0, 30));
}

#[tokio::test]
async fn what_is_kept_and_what_came_are_counted() {
    let store = store(10);
    fill(&store, 25);
    let extent = store.extent();
    assert_eq!((extent.kept, extent.seen), (10, 25));
    assert_eq!(extent.limits.records, 10);
}
