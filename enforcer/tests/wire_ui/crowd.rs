//! 2,000 pods in 40 namespaces, and more records than a daemon keeps.

use std::fmt::Write as _;

use serde_json::Value;

use crate::page::Page;
use crate::recorded::{Recorded, flow, pod, policy, side};

const PODS: usize = 2000;
const NAMESPACES: usize = 40;
const APPS: usize = 10;
const RECORDS: usize = 12_000;

/// Counts the frames of the page, and keeps the longest time between two.
const FRAMES: &str = "{
    window.drawn = { count: 0, longest: 0 };
    let last = performance.now();
    const frame = (now) => {
        window.drawn.count += 1;
        window.drawn.longest = Math.max(window.drawn.longest, Math.round(now - last));
        last = now;
        requestAnimationFrame(frame);
    };
    requestAnimationFrame(frame);
}";

/// Hides or shows the tab, as far as the page can tell.
fn hidden(hidden: bool) -> String {
    format!(
        "Object.defineProperty(document, 'hidden', {{ value: {hidden}, configurable: true }});
         document.dispatchEvent(new Event('visibilitychange')); 0"
    )
}

fn names(number: usize) -> (String, String, String) {
    let (namespace, app) = (number % NAMESPACES, number / NAMESPACES % APPS);
    let mut name = format!("app{app}-");
    let _ = write!(name, "{}", number / NAMESPACES / APPS);
    (format!("team{namespace}"), name, format!("app{app}"))
}

fn manifests() -> Vec<Value> {
    let pods = (0..PODS).map(|number| {
        let (namespace, name, app) = names(number);
        pod(&namespace, &name, &app, number)
    });
    let policies = (0..NAMESPACES).flat_map(|team| {
        let namespace = format!("team{team}");
        let one = move |app: usize| {
            let (next, name) = (format!("app{}", (app + 1) % APPS), format!("app{app}"));
            policy(&namespace, &name, &[(&namespace, &next)], 8080)
        };
        (0..APPS).map(one)
    });
    pods.chain(policies).collect()
}

/// Every ninth is denied.
fn records(from: usize, count: usize) -> impl Iterator<Item = Value> {
    (from..from + count).map(|number| {
        // Most of it stays in its namespace.
        let source = number * 37 % PODS;
        let away = if number / 7 % 10 < 7 {
            0
        } else {
            number % 3 + 1
        };
        let destination = (source + NAMESPACES * (1 + number % APPS) + away) % PODS;
        let end = |pod: usize, port: u16| {
            let (namespace, name, app) = names(pod);
            side(&namespace, &name, &app, pod, port)
        };
        let (namespace, _, app) = names(destination);
        let time = format!(
            "2026-11-21T{:02}:{:02}:{:02}Z",
            number / 3600 % 24,
            number / 60 % 60,
            number % 60
        );
        let policy = format!("{namespace}/{app}");
        flow(
            &time,
            &end(source, 40_000),
            &end(destination, 8080),
            &policy,
            number % 9 != 0,
        )
    })
}

#[test]
fn the_page_works_with_2000_pods() {
    let recorded = Recorded::new(&manifests());
    recorded.record(records(0, RECORDS));
    let manifests = recorded.manifests().to_str().unwrap().to_owned();
    let mut page = Page::open(&recorded.socket(), &["--manifests", &manifests]);

    // The map begins with namespaces, and draws no 2,000 labels.
    let drawn = "document.querySelectorAll('.node').length";
    page.browser.until(&format!("{drawn} > 20"));
    page.browser.until("document.querySelector('.edge.denied')");
    let nodes = page.browser.eval(drawn).as_u64().unwrap();
    assert!(nodes <= 60, "{nodes} nodes");
    page.click(".node[data-id='namespace team3']");
    let open =
        "[...document.querySelectorAll('.panel button')].find((one) => one.textContent === 'Open')";
    page.browser.until(open);
    page.browser.eval(&format!("{open}.click()"));
    page.browser
        .until("document.querySelectorAll('.node[data-kind=workload]').length === 10");

    // All of them are in the table, of which only what is in sight is drawn.
    page.go("flows");
    page.browser
        .until("document.querySelector('#flow-summary').textContent.startsWith('12,000 records')");
    let rows = page.rows().len();
    assert!((10..100).contains(&rows), "{rows} rows");
    page.filter("pod", "to:team3/app*");
    page.until_rows(
        "rows.length > 0 && rows.every((row) => /team3\\/app[0-9]-[0-9]:8080/.test(row))",
    );
    page.filter("verdict", "denied");
    page.until_rows("rows.every((row) => row.includes('✕ denied'))");
    page.click("[aria-label^='Remove pod']");
    page.click("[aria-label^='Remove verdict']");
    page.browser
        .until("document.querySelector('#flow-summary').textContent.startsWith('12,000 records')");

    // More than the page keeps: the oldest give way, and that is said.
    page.browser.eval(FRAMES);
    recorded.record(records(RECORDS, 10_000));
    let summary = "document.querySelector('#flow-summary').textContent";
    page.browser
        .until(&format!("{summary}.startsWith('20,000 records')"));
    page.browser
        .until(&format!("{summary}.includes('2,000 older ones left out')"));
    assert!(!page.text_of("#flow-summary").contains("missed"));
    // It draws frames all the while, and goes on drawing them.
    page.browser.until("window.drawn.count > 10");
    let longest = page.browser.eval("window.drawn.longest");
    println!("while 10,000 records came, the longest time between two frames was {longest} ms");

    // A hidden page asks nothing, and learns exactly what it missed meanwhile.
    page.browser.eval(&hidden(true));
    let one = records(RECORDS + 10_000, 1).next().unwrap();
    recorded.repeat(one, 25_000);
    page.browser.eval(&hidden(false));
    page.browser
        .until(&format!("{summary}.includes('5,000 missed')"));
    page.browser
        .until("document.querySelector('#state').textContent.includes('5,000 records missed')");

    page.go("policies");
    page.browser.until("document.querySelector('#policy-summary').textContent.startsWith('400 policies; of 2,000 pods 2,000 isolated')");
    page.browser
        .until("document.querySelectorAll('table')[1].innerText.includes('1,900 more')");
    page.enter("[type=search]", "team7/app3");
    page.browser
        .until("document.querySelectorAll('table')[1].querySelectorAll('tbody tr').length === 5");
    assert!(
        page.text_of("tr.policy")
            .contains("pods with app=app3 in team7 (5 pods)")
    );

    page.go("why");
    page.browser
        .until("document.querySelectorAll('#ends option').length === 2000");
    page.enter("#why-from", "team7/app4-0");
    page.enter("#why-to", "team7/app3-0");
    page.enter("#why-port", "8080");
    page.browser
        .until("document.querySelector('#answer h2')?.textContent.startsWith('✓ ALLOWED')");
    page.end();
}
