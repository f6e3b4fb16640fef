//! The fault proxy, with the client library that the daemon uses. Needs the programs of
//! `cargo xtask envtest`, and root.

#![expect(clippy::unwrap_used, reason = "a test ends at its first surprise")]

use std::net::{IpAddr, Ipv4Addr};
use std::pin::pin;
use std::sync::LazyLock;
use std::time::Duration;

use enforcer_cluster::{ControlPlane, Ending, Fault, FaultProxy, Link, Options, Request, program};
use enforcer_lab::{Home, Namespace};
use futures_util::future::join;
use futures_util::{Stream, StreamExt as _};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{ListParams, WatchEvent, WatchParams};
use kube::{Api, Client};
use tokio::time::timeout;

static PLANE: LazyLock<ControlPlane> = LazyLock::new(|| {
    let options = Options {
        controller_manager: false,
        ..Options::default()
    };
    ControlPlane::start(&options).unwrap()
});

/// Long enough for whatever is to happen.
const LONG: Duration = Duration::from_secs(30);
/// How long nothing is to happen.
const SHORT: Duration = Duration::from_millis(500);

/// The proxy of one test, and a client of it.
async fn proxied() -> (FaultProxy, Api<ConfigMap>) {
    let proxy = FaultProxy::start(&PLANE).unwrap();
    let client = client(&proxy).await;
    (proxy, client)
}

/// Another client, whose first request makes a new connection.
async fn client(proxy: &FaultProxy) -> Api<ConfigMap> {
    let client: Client = PLANE.client_at(&proxy.url()).await.unwrap();
    Api::namespaced(client, "kube-system")
}

async fn list(api: &Api<ConfigMap>) -> Result<usize, kube::Error> {
    let found = api.list(&ListParams::default()).await?;
    Ok(found.items.len())
}

fn lists(request: &Request) -> bool {
    request.lists("configmaps")
}

async fn watch(
    api: &Api<ConfigMap>,
) -> impl Stream<Item = Result<WatchEvent<ConfigMap>, kube::Error>> + use<> {
    api.watch(&WatchParams::default(), "0")
        .await
        .unwrap()
        .boxed()
}

#[tokio::test]
async fn requests_pass_and_are_remembered() {
    let (proxy, api) = proxied().await;
    assert!(list(&api).await.unwrap() > 0);
    let seen = proxy.requests();
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].path, "/api/v1/namespaces/kube-system/configmaps");
    assert!(lists(&seen[0]));
}

#[tokio::test]
async fn chosen_requests_are_answered_with_an_error_as_often_as_asked() {
    let (proxy, api) = proxied().await;
    for code in [401, 403, 410, 429, 500, 503] {
        proxy.fail(1, Fault::Status(code), lists);
        let error = list(&api).await.unwrap_err();
        assert!(
            matches!(&error, kube::Error::Api(status) if status.code == code),
            "{code}: {error:?}"
        );
        assert!(list(&api).await.unwrap() > 0);
    }
    proxy.fail(3, Fault::Status(500), |request| request.lists("nodes"));
    assert!(list(&api).await.unwrap() > 0);
    assert_eq!(proxy.heal(), 1);
}

#[tokio::test]
async fn a_list_that_breaks_in_its_middle_is_an_error() {
    let (proxy, api) = proxied().await;
    proxy.fail(1, Fault::CutBody(200), lists);
    let error = list(&api).await.unwrap_err();
    assert!(!matches!(error, kube::Error::Api(_)), "{error:?}");
    assert!(list(&api).await.unwrap() > 0);
}

#[tokio::test]
async fn a_request_that_hangs_is_never_answered() {
    let (proxy, api) = proxied().await;
    proxy.fail(1, Fault::Hang, lists);
    assert!(timeout(SHORT, list(&api)).await.is_err());
    assert!(list(&api).await.unwrap() > 0);
}

#[tokio::test]
async fn a_request_can_be_late() {
    let (proxy, api) = proxied().await;
    proxy.fail(1, Fault::Delay(SHORT * 2), lists);
    let mut late = pin!(list(&api));
    assert!(timeout(SHORT, &mut late).await.is_err());
    assert!(timeout(LONG, late).await.unwrap().unwrap() > 0);
    proxy.link(Link::Slow(SHORT * 2));
    let mut late = pin!(list(&api));
    assert!(timeout(SHORT, &mut late).await.is_err());
    assert!(timeout(LONG, late).await.unwrap().unwrap() > 0);
}

#[tokio::test]
async fn from_a_black_hole_nothing_comes_until_it_opens() {
    let (proxy, old) = proxied().await;
    assert!(list(&old).await.unwrap() > 0);
    let new = client(&proxy).await;
    proxy.link(Link::BlackHole);
    for api in [&old, &new] {
        let mut waiting = pin!(list(api));
        assert!(timeout(SHORT, &mut waiting).await.is_err());
        proxy.link(Link::Open);
        assert!(timeout(LONG, waiting).await.unwrap().unwrap() > 0);
        proxy.link(Link::BlackHole);
    }
}

#[tokio::test]
async fn a_watch_in_a_black_hole_stays_open_and_silent() {
    let (proxy, api) = proxied().await;
    let mut events = watch(&api).await;
    events.next().await.unwrap().unwrap();
    while timeout(SHORT, events.next()).await.is_ok() {}
    proxy.link(Link::BlackHole);
    let said = PLANE.kubectl(&["create", "configmap", "unseen", "-n", "kube-system"]);
    said.unwrap();
    assert!(timeout(SHORT, events.next()).await.is_err());
    proxy.link(Link::Open);
    timeout(LONG, events.next())
        .await
        .unwrap()
        .unwrap()
        .unwrap();
}

#[tokio::test]
async fn new_connections_can_be_reset_while_old_ones_go_on() {
    let (proxy, old) = proxied().await;
    assert!(list(&old).await.unwrap() > 0);
    let new = client(&proxy).await;
    proxy.link(Link::Reset);
    assert!(list(&new).await.is_err());
    assert!(list(&old).await.unwrap() > 0);
    proxy.link(Link::Open);
    assert!(list(&new).await.unwrap() > 0);
}

#[tokio::test]
async fn a_watch_ends_in_order_or_with_gone_or_breaks() {
    let (proxy, api) = proxied().await;
    for ending in [Ending::Clean, Ending::Gone, Ending::Cut] {
        let mut events = watch(&api).await;
        // The objects that are there.
        events.next().await.unwrap().unwrap();
        proxy.end_watches(ending);
        let rest = timeout(LONG, events.collect::<Vec<_>>()).await.unwrap();
        let gone = |event: &Result<WatchEvent<ConfigMap>, kube::Error>| matches!(event, Ok(WatchEvent::Error(status)) if status.code == 410);
        // The client library takes a watch that breaks for one that ends in order.
        assert!(rest.iter().all(Result::is_ok), "{ending:?}: {rest:?}");
        let told = rest.iter().filter(|event| gone(event)).count();
        assert_eq!(told, usize::from(ending == Ending::Gone), "{rest:?}");
    }
}

#[tokio::test]
async fn cutting_breaks_what_is_open() {
    let (proxy, api) = proxied().await;
    let mut events = watch(&api).await;
    events.next().await.unwrap().unwrap();
    proxy.fail(1, Fault::Hang, lists);
    let hanging = list(&api);
    let cutting = async {
        while proxy.requests().len() < 2 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        proxy.cut();
    };
    let (broken, ()) = timeout(LONG, join(hanging, cutting)).await.unwrap();
    assert!(broken.is_err());
    timeout(LONG, events.collect::<Vec<_>>()).await.unwrap();
    assert!(list(&api).await.unwrap() > 0);
}

#[test]
fn a_proxy_in_a_network_namespace_is_the_way_in_from_there() {
    let home = Home::create().unwrap();
    let namespace = Namespace::create(home.path().join("far")).unwrap();
    let address = IpAddr::from(Ipv4Addr::new(192, 0, 2, 7));
    namespace
        .ip(&format!("address add {address}/32 dev lo"))
        .unwrap();
    let proxy = FaultProxy::start_in(&PLANE, &namespace, address).unwrap();
    let kubectl = program("kubectl").unwrap();
    let get = |url: &str| {
        let file = PLANE.kubeconfig_at(url).unwrap();
        let words = format!("--kubeconfig {} get --raw /readyz", file.display());
        namespace.command(kubectl.to_str().unwrap(), &words)
    };
    assert_eq!(get(&proxy.url()).unwrap(), "ok");
    assert!(get(&PLANE.url()).is_err());
}
