//! Many other pods come, change and go while real ones are judged.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use enforcer_cluster::ControlPlane;
use futures_util::{StreamExt as _, stream};
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use serde_json::json;

use super::judge::{judge, may};
use super::load::{Allowed, Hammer};
use super::objects::{FRIENDS, pod, policy};
use super::world::World;

/// How many pods come and go.
const PODS: usize = 300;
/// So many addresses for them: each is many pods', one after the other.
const ADDRESSES: usize = 60;
/// Requests under way.
const AT_A_TIME: usize = 6;

/// One pod's life on a node that nobody is; pods of one address follow each other.
async fn live(api: &Api<Pod>, number: usize) {
    let name = format!("ghost{number}");
    let role = |odd: bool| if odd { "friend" } else { "foe" };
    let address = format!("10.247.9.{}", 1 + number % ADDRESSES);
    let object = serde_json::from_value(json!({
        "metadata": {"name": name, "labels": {"app": "web", "role": role(number % 2 == 1)}},
        "spec": {"nodeName": format!("ghost{}", number % 7),
            "containers": [{"name": "main", "image": "main"}]},
    }));
    api.create(&PostParams::default(), &object.unwrap())
        .await
        .unwrap();
    let change = PatchParams::default();
    let status =
        json!({"status": {"phase": "Running", "podIP": address, "podIPs": [{"ip": address}]}});
    api.patch_status(&name, &change, &Patch::Merge(status))
        .await
        .unwrap();
    let labels =
        json!({"metadata": {"labels": {"role": role(number.is_multiple_of(2)), "number": name}}});
    api.patch(&name, &change, &Patch::Merge(labels))
        .await
        .unwrap();
    let now = DeleteParams::default().grace_period(0);
    api.delete(&name, &now).await.unwrap();
}

fn churn(plane: &ControlPlane) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let api: Api<Pod> = Api::namespaced(plane.client().await.unwrap(), "shop");
        let lives = stream::iter(0..PODS).map(|number| live(&api, number));
        lives.buffer_unordered(AT_A_TIME).collect::<Vec<()>>().await;
    });
}

#[test]
fn pods_that_come_change_and_go_elsewhere_change_no_verdict_about_others() {
    let world = World::new(&["shop"], "");
    let objects = [
        policy("shop", "friends", "app: web", FRIENDS),
        pod("shop", "web", "node0", "app: web"),
        pod("shop", "near", "node0", "role: friend"),
        pod("shop", "foe", "node0", "role: foe"),
        pod("shop", "far", "node1", "role: friend"),
        pod("shop", "far-foe", "node1", "role: foe"),
        pod("shop", "fickle", "node1", "role: foe"),
    ];
    world.apply(&objects.concat());
    let [web, near, foe] = ["web", "near", "foe"].map(|name| world.pod(0, "shop", name));
    let [far, far_foe, fickle] =
        ["far", "far-foe", "fickle"].map(|name| world.pod(1, "shop", name));
    judge(
        "before",
        &[
            may(&near, &web, true),
            may(&far, &web, true),
            may(&fickle, &web, false),
        ],
    );
    judge(
        "foes before",
        &[may(&foe, &web, false), may(&far_foe, &web, false)],
    );
    let allowed = Allowed::start(&[&near, &far], web.v4().unwrap());
    let hammers = [&foe, &far_foe].map(|pod| Hammer::start(pod, web.v4().unwrap()));
    let over = AtomicBool::new(false);
    let plane = &*world.plane;
    thread::scope(|scope| {
        scope.spawn(|| {
            // Also when it fails.
            let _over = Over(&over);
            churn(plane);
        });
        let mut rounds = 0;
        while !over.load(Ordering::Relaxed) || rounds < 2 {
            for (role, is_friend) in [("friend", true), ("foe", false)] {
                let words = ["label", "pod", "fickle", "-n", "shop", "--overwrite"];
                let label = format!("role={role}");
                plane.kubectl(&[&words[..], &[&label]].concat()).unwrap();
                judge("fickle", &[may(&fickle, &web, is_friend)]);
            }
            allowed.go_on();
            hammers.iter().for_each(Hammer::got_nothing);
            rounds += 1;
        }
        println!("{PODS} pods came and went in {rounds} rounds");
    });
    let left = world.kubectl("get pods -n shop -o name");
    assert_eq!(left.lines().count(), 6, "{left}");
}

/// Tells the end of the scope that holds it.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
