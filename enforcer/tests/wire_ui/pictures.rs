//! The pictures of docs/ui.md: a made-up shop.

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::page::Page;
use crate::recorded::{Recorded, flow, pod, policy, side};

const VARIABLE: &str = "ENFORCER_PICTURES";

/// Namespace, app, how many pods.
const APPS: [(&str, &str, usize); 9] = [
    ("ingress", "gateway", 2),
    ("shop", "web", 4),
    ("shop", "cart", 3),
    ("shop", "catalog", 3),
    ("payments", "api", 2),
    ("payments", "ledger", 1),
    ("data", "orders-db", 2),
    ("data", "cache", 3),
    ("monitoring", "prometheus", 1),
];

/// Who connects to whom: places in `APPS`, port, how often, whether it may.
const TALK: [(usize, usize, u16, usize, bool); 12] = [
    (0, 1, 8080, 90, true),
    (1, 2, 8080, 61, true),
    (1, 3, 8080, 80, true),
    (2, 4, 8443, 22, true),
    (4, 5, 5432, 20, true),
    (2, 7, 6379, 55, true),
    (3, 6, 5432, 31, true),
    (2, 6, 5432, 18, true),
    (1, 6, 5432, 7, false),
    (1, 5, 5432, 2, false),
    (8, 1, 9090, 12, true),
    (8, 4, 9090, 5, false),
];

fn manifests() -> Vec<Value> {
    let pods = APPS
        .iter()
        .enumerate()
        .flat_map(|(place, (namespace, app, count))| {
            (0..*count).map(move |number| {
                pod(
                    namespace,
                    &format!("{app}-{number}"),
                    app,
                    place * 10 + number,
                )
            })
        });
    let policies = (1..8).map(|to| {
        let (namespace, app, _) = APPS[to];
        let allowed: Vec<_> = TALK.iter().filter(|talk| talk.1 == to && talk.4).collect();
        let from: Vec<_> = allowed
            .iter()
            .map(|talk| (APPS[talk.0].0, APPS[talk.0].1))
            .collect();
        policy(
            namespace,
            app,
            &from,
            allowed.first().map_or(80, |talk| talk.2),
        )
    });
    pods.chain(policies).collect()
}

fn records() -> Vec<Value> {
    let end = |place: usize, number: usize, port: u16| {
        let (namespace, app, count) = APPS[place];
        let number = number % count;
        side(
            namespace,
            &format!("{app}-{number}"),
            app,
            place * 10 + number,
            port,
        )
    };
    let mut records = Vec::new();
    for (line, (from, to, port, count, allowed)) in TALK.iter().enumerate() {
        for number in 0..*count {
            let time = number * 1800 / count + line;
            let time = format!(
                "2026-11-21T03:{:02}:{:02}.{:03}Z",
                time / 60,
                time % 60,
                number * 37 % 1000
            );
            let policy = format!("{}/{}", APPS[*to].0, APPS[*to].1);
            let (source, destination) = (end(*from, number, 40_000), end(*to, number, *port));
            records.push(flow(&time, &source, &destination, &policy, *allowed));
        }
    }
    let outside = json!({"address": "203.0.113.9", "port": 51515, "identity": 0});
    let mut scan = flow(
        "2026-11-21T03:29:58.250Z",
        &outside,
        &end(6, 0, 22),
        "data/orders-db",
        false,
    );
    scan["count"] = json!(214);
    scan["nearest"]["lacks"] = json!([
        "peer is outside the cluster, rule wants a pod",
        "port 22 given, rule allows 5432"
    ]);
    records.push(scan);
    records.sort_by_key(|one| one["time"].as_str().unwrap().to_owned());
    records
}

#[test]
fn the_pictures_show_the_page_with_a_shop() {
    let recorded = Recorded::new(&manifests());
    recorded.record(records());
    let path = recorded.manifests().to_str().unwrap().to_owned();
    let mut page = Page::open(&recorded.socket(), &["--manifests", &path]);
    page.browser
        .until("document.querySelectorAll('.edges li').length === 13");
    let edge = "[...document.querySelectorAll('.edges button')].find((one) => one.textContent.includes('web → orders-db'))";
    page.browser.eval(&format!("{edge}.click()"));
    page.browser.until("document.querySelector('.panel h2')");
    keep(&mut page, "map", 560);
    page.go("flows");
    page.filter("namespace", "to:data");
    page.until_rows("rows.length > 20");
    keep(&mut page, "flows", 420);
    page.go("policies");
    page.click("[data-policy='data/orders-db']");
    page.browser.until("document.querySelector('tr.rule')");
    let dark = json!({"features": [{"name": "prefers-color-scheme", "value": "dark"}]});
    page.browser.order("Emulation.setEmulatedMedia", &dark);
    let ground = "getComputedStyle(document.body).backgroundColor === 'rgb(20, 24, 29)'";
    page.browser.until(ground);
    keep(&mut page, "policies", 520);
    page.go("why");
    page.enter("#why-from", "shop/web-0");
    page.enter("#why-to", "data/orders-db-0");
    page.enter("#why-port", "5432");
    page.browser
        .until("document.querySelector('#answer h2')?.textContent.startsWith('✕ DENIED')");
    keep(&mut page, "why", 300);
    page.end();
}

/// Writes a picture where the variable says.
fn keep(page: &mut Page, name: &str, height: u32) {
    let size = json!({"width": 1280, "height": height, "deviceScaleFactor": 1, "mobile": false});
    page.browser
        .order("Emulation.setDeviceMetricsOverride", &size);
    // Two frames, so that everything is drawn.
    page.browser.eval(
        "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(1))))",
    );
    let picture = page.browser.picture();
    let Some(folder) = std::env::var_os(VARIABLE).map(PathBuf::from) else {
        return;
    };
    let bytes = base64(&picture);
    std::fs::write(folder.join(format!("{name}.png")), bytes).unwrap();
}

fn base64(text: &str) -> Vec<u8> {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD
        .decode(text)
        .unwrap()
}
