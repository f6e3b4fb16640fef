//! The parts of the page that compute, on graphs that nobody would draw by hand.

use serde_json::json;

use crate::page::Page;
use crate::recorded::Recorded;

/// Numbers that are the same each time, and random graphs of them.
const RANDOM: &str = "
    let state = 7;
    const random = (below) => {
        state = (state * 1103515245 + 12345) % 2147483648;
        return Math.floor(state / 65536) % below;
    };
    const graph = (nodes, edges) => {
        const ids = Array.from({ length: nodes }, (_, index) => `n${index}`).sort();
        const pairs = new Map();
        while (edges--) {
            const [from, to] = [ids[random(nodes)], ids[random(nodes)]];
            if (from !== to) pairs.set(`${from} ${to}`, [from, to]);
        }
        return [ids, [...pairs.values()]];
    };";

/// What is wrong with the pictures of many graphs, with cycles and without edges too.
const LAYOUT: &str = "
    const { layout, WIDTH, HEIGHT } = await import('/layout.js');
    const wrong = [];
    for (let round = 0; round < 200; round += 1) {
        const [ids, pairs] = graph(1 + random(60), random(150));
        const { places, ways, bounds } = layout(ids, pairs);
        const again = layout(ids, pairs);
        if (JSON.stringify([...places, ...ways]) !== JSON.stringify([...again.places, ...again.ways])) wrong.push('not the same');
        for (const [index, one] of ids.entries()) {
            const a = places.get(one);
            if (a.x < bounds.left || a.x + WIDTH > bounds.right || a.y < bounds.top || a.y > bounds.bottom) wrong.push('outside');
            for (const other of ids.slice(index + 1)) {
                const b = places.get(other);
                if (Math.abs(a.x - b.x) < WIDTH && Math.abs(a.y - b.y) < HEIGHT) wrong.push(`${one} on ${other}`);
            }
        }
    }
    const [ids, pairs] = graph(300, 3000);
    if (layout(ids, pairs).places.size !== 300) wrong.push('lost');
    return wrong;";

/// Connections along a chain go to the right, each one.
const CHAIN: &str = "
    const { layout } = await import('/layout.js');
    const ids = Array.from({ length: 50 }, (_, index) => `n${String(index).padStart(2, '0')}`);
    const { places } = layout(ids, ids.slice(1).map((id, index) => [ids[index], id]));
    return ids.slice(1).every((id, index) => places.get(id).x > places.get(ids[index]).x);";

/// What is added and removed again leaves nothing, in whatever order, and what stays is counted.
const COUNTS: &str = "
    const { Graph } = await import('/graph.js');
    const { Hits } = await import('/policies.js');
    const [g, hits] = [new Graph(), new Hits()];
    const record = () => {
        const side = () => ({ address: `10.0.0.${random(9)}`, pod: `ns${random(3)}/p${random(5)}`, workload: random(2) ? 'Deployment/w' : undefined });
        const denied = random(2) === 1;
        return { sequence: random(1e9), time: `2026-11-21T00:00:${10 + random(50)}Z`, source: side(),
            destination: { ...side(), port: random(4) + 1 }, protocol: 'TCP', direction: random(2) ? 'ingress' : 'egress',
            kind: denied ? 'denied' : 'opened', verdict: denied ? 'denied' : 'allowed',
            reason: denied ? 'policy-denied' : 'allowed', count: 1 + random(3), policies: ['a/b'],
            allowed_by: denied ? undefined : { policy: 'a/b', rule: 'ingress[0]' } };
    };
    const records = Array.from({ length: 2000 }, record);
    for (const one of records) { g.add(one); hits.add(one); }
    const view = g.view();
    let denied = 0;
    for (const one of [...view.edges.values()]) denied += one.denied;
    for (const one of [...view.nodes.values()]) denied += one.inside.denied;
    const expected = records.filter((one) => one.kind === 'denied').reduce((sum, one) => sum + one.count, 0);
    const passed = records.filter((one) => one.kind === 'opened').length;
    const counted = [denied === expected, hits.denied('a/b').count === expected, hits.of('a/b', 'ingress[0]').count === passed];
    for (const one of records.reverse()) { g.remove(one); hits.remove(one); }
    const { nodes, edges } = g.view();
    return [...counted, nodes.size, edges.size, hits.denied('a/b').count, hits.of('a/b', 'ingress[0]').count];";

#[test]
fn the_picture_of_a_graph_is_always_the_same_and_nothing_lies_on_anything() {
    let recorded = Recorded::new(&[]);
    let manifests = recorded.manifests().to_str().unwrap().to_owned();
    let mut page = Page::open(&recorded.socket(), &["--manifests", &manifests]);
    let mut run = |script: &str| {
        page.browser
            .eval(&format!("(async () => {{ {RANDOM} {script} }})()"))
    };
    assert_eq!(run(LAYOUT), json!([]));
    assert_eq!(run(CHAIN), true);
    assert_eq!(run(COUNTS), json!([true, true, true, 0, 0, 0, 0]));
    page.end();
}
