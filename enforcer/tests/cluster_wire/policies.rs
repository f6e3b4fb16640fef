//! What users do with kubectl, packets say.

use enforcer_cluster::ADDRESSES;

use super::judge::{judge, may};
use super::objects::{PodSpec, pod, policy};
use super::world::World;

/// Who may reach web: friends of its namespace, and clients of namespaces of the team.
const FRIENDS: &str = "policyTypes: [Ingress], ingress: [{from: [\
    {podSelector: {matchLabels: {role: friend}}}, \
    {namespaceSelector: {matchLabels: {team: a}}, podSelector: {matchLabels: {app: client}}}]}]";

#[test]
fn policies_and_labels_by_kubectl_decide_about_packets_on_one_node_and_across_nodes() {
    let world = World::new(&["shop", "yard"], "");
    world.apply(
        &[
            pod("shop", "web", "node0", "app: web"),
            pod("shop", "near", "node0", "app: client"),
            pod("shop", "far", "node1", "app: client"),
            pod("yard", "guest", "node1", "app: client"),
        ]
        .concat(),
    );
    let web = world.pod(0, "shop", "web");
    let near = world.pod(0, "shop", "near");
    let far = world.pod(1, "shop", "far");
    let guest = world.pod(1, "yard", "guest");
    let step = |step: &str, allowed: [bool; 3]| {
        let all = [&near, &far, &guest];
        let questions = [0, 1, 2].map(|at| may(all[at], &web, allowed[at]));
        judge(step, &questions);
    };
    step("without a policy", [true; 3]);
    world.apply(&policy("shop", "friends", "app: web", FRIENDS));
    step("a policy", [false; 3]);
    world.kubectl("label pod far -n shop role=friend");
    step("far is a friend", [false, true, false]);
    world.kubectl("label pod near -n shop role=friend");
    world.kubectl("label pod far -n shop role-");
    step("near is the friend", [true, false, false]);
    world.kubectl("label namespace yard team=a");
    step("guest's namespace is of the team", [true, false, true]);
    world.kubectl("label namespace yard team=b --overwrite");
    step("guest's namespace is of another team", [true, false, false]);
    world.kubectl("label pod web -n shop app=other --overwrite");
    step("web is not selected", [true; 3]);
    world.kubectl("label pod web -n shop app=web --overwrite");
    step("web is selected again", [true, false, false]);
    world.kubectl("delete networkpolicy friends -n shop");
    step("the policy is deleted", [true; 3]);
}

#[test]
fn who_gets_the_address_of_a_deleted_pod_gets_none_of_its_rights() {
    let world = World::new(&["shop"], "");
    let client = |name, node, labels, annotations| {
        let namespace = "shop";
        PodSpec {
            namespace,
            name,
            node,
            labels,
            annotations,
        }
        .manifest()
    };
    world.apply(
        &[
            pod("shop", "web", "node0", "app: web"),
            policy("shop", "friends", "app: web", FRIENDS),
            client("friend", "node1", "role: friend", ""),
        ]
        .concat(),
    );
    let web = world.pod(0, "shop", "web");
    let friend = world.pod(1, "shop", "friend");
    judge("a friend", &[may(&friend, &web, true)]);
    let text: Vec<String> = friend.addresses.iter().map(ToString::to_string).collect();
    let same = format!("{ADDRESSES}: \"{}\"", text.join(","));
    drop(friend);
    world.kubectl("delete pod friend -n shop");
    world.apply(&client("thief", "node1", "role: thief", &same));
    let thief = world.pod(1, "shop", "thief");
    judge(
        "a thief with a friend's address",
        &[may(&thief, &web, false)],
    );
    drop(thief);
    world.kubectl("delete pod thief -n shop");
    world.apply(&client("second", "node1", "role: friend", &same));
    let second = world.pod(1, "shop", "second");
    judge(
        "a friend with a thief's address",
        &[may(&second, &web, true)],
    );
}
