//! The page over a daemon with real packets.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::common::{LONG, connects, eventually, pod_object};
use crate::page::Page;
use crate::shop::Shop;

/// How soon a denial is to be seen.
const SOON: Duration = Duration::from_secs(2);

/// Notes when each row of a denial, and each denied edge of the map, first appears.
const WATCH: &str = "{
    window.seen = {};
    const look = () => {
        for (const row of document.querySelectorAll('.sheet .row.denied, .edges .denied')) {
            window.seen[row.dataset.sequence ?? row.textContent] ??= Date.now();
        }
    };
    new MutationObserver(look).observe(document.body,
        { childList: true, subtree: true, characterData: true, attributes: true });
}";

/// Has a packet denied: when it was sent, since 1970, and the number of its record.
fn deny(shop: &Shop, known: &mut u64) -> (Duration, u64) {
    let sent = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    connects(&shop.api, shop.address(), 81, false);
    eventually("the denial has a record", || {
        let last = shop.records(&["--verdict", "denied", "--last", "1"]);
        let number = last.first().map_or(0, |one| one.sequence);
        std::mem::replace(known, number) < number
    });
    (sent, *known)
}

/// When the page showed it, since 1970.
fn seen(page: &mut Page, when: &str) -> Duration {
    page.browser.until(when);
    Duration::from_millis(page.browser.eval(when).as_u64().unwrap())
}

fn open(shop: &Shop) -> Page {
    Page::open(&shop.node.socket(), &[])
}

#[test]
fn the_link_opens_the_page_and_leaves_no_code_behind() {
    let shop = Shop::open("");
    let mut page = open(&shop);
    let address = page.browser.text("location.href");
    assert!(!address.contains("code"), "{address}");
    assert_eq!(
        page.browser.eval("document.cookie"),
        "",
        "scripts see the cookie"
    );
    let state = page.text_of("#state");
    assert!(
        state.contains("✓ in force") && state.contains("node n1"),
        "{state}"
    );
    // Once more in the same browser, without a code.
    page.browser.eval("location.reload()");
    page.browser.until("document.querySelector('#state .live')");
    // A session that the server has forgotten: a code is asked for, and may be typed.
    page.browser.eval("localStorage.clear(); location.reload()");
    page.browser.until("document.querySelector('#code')");
    page.enter("#code", "aaaa-aaaa-aaaa-aaaa-aaaa");
    page.browser
        .until("document.querySelector('.login .problem').textContent.includes('good once')");
    page.served.read_link();
    let code = page.served.code().to_uppercase();
    page.enter("#code", &code);
    page.browser.until("document.querySelector('#state .live')");
    let complaints = page.browser.complaints();
    // The browser itself logs answers of 401, and nothing else is wrong.
    assert!(
        complaints.iter().all(|one| one.contains("401")),
        "{complaints:?}"
    );
}

#[test]
fn filters_narrow_the_table_as_they_narrow_the_command() {
    let shop = Shop::open("");
    shop.traffic();
    let mut page = open(&shop);
    page.go("flows");
    let all = shop.records(&[]).len();
    page.until_rows(&format!("rows.length === {all}"));
    for (what, value, arguments) in [
        ("pod", "from:api", &["--pod", "from:api"][..]),
        ("port", "not:80", &["--pod", "from:api", "--port", "not:80"]),
        (
            "verdict",
            "denied",
            &[
                "--pod",
                "from:api",
                "--port",
                "not:80",
                "--verdict",
                "denied",
            ],
        ),
    ] {
        page.filter(what, value);
        let meant = shop.records(arguments).len();
        assert!((1..all).contains(&meant), "{arguments:?}");
        page.until_rows(&format!("rows.length === {meant}"));
    }
    let rows = page.rows();
    assert!(
        rows.iter()
            .all(|row| row[1] == "✕ denied" && row[3] == "prod/db:81"),
        "{rows:?}"
    );
    assert!(
        rows[0][6].contains("isolated by prod/db") && rows[0][6].contains("rule allows 80"),
        "{rows:?}"
    );
    // A mistake is told in the daemon's words.
    page.filter("port", "http");
    page.browser
        .until("document.querySelector('.filters .problem').textContent.includes('8000-8100')");
    page.click("[aria-label='Remove port=http']");
    page.until_rows(&format!("rows.length === {}", rows.len()));
    // A row says all, and from there one asks why.
    page.click(".sheet .row");
    page.browser
        .until("document.querySelector('.detail pre').textContent.includes('StatefulSet/api')");
    page.click(".detail .bar button");
    page.browser.until("document.querySelector('#answer h2')?.textContent === '✕ DENIED: default/api → prod/db TCP port 81'");
    let complaints = page.browser.complaints();
    assert!(
        complaints.iter().all(|one| one.contains("400")),
        "{complaints:?}"
    );
}

#[test]
fn a_denial_is_in_the_table_and_on_the_map_within_two_seconds() {
    let shop = Shop::open("");
    let mut page = open(&shop);
    page.go("flows");
    page.browser.eval(WATCH);
    let mut known = 0;
    let in_table = (0..5).map(|_| {
        let (sent, number) = deny(&shop, &mut known);
        seen(&mut page, &format!("window.seen[{number}]")).saturating_sub(sent)
    });
    let in_table: Vec<Duration> = in_table.collect();
    page.go("map");
    let edge = "[...document.querySelectorAll('.edges .denied')].find((one) => one.textContent.includes('api → db'))";
    page.browser.until(edge);
    let on_map = (0..5).map(|_| {
        let before = Value::from(page.browser.text(&format!("{edge}.textContent")));
        let (sent, _) = deny(&shop, &mut known);
        page.browser
            .until(&format!("{edge}.textContent !== {before}"));
        seen(&mut page, &format!("window.seen[{edge}.textContent]")).saturating_sub(sent)
    });
    let on_map: Vec<Duration> = on_map.collect();
    println!("a denial was in the table after {in_table:?}, on the map after {on_map:?}");
    // The machine may be busy with anything; what is slow by itself is slow each time.
    for times in [in_table, on_map] {
        assert!(times.iter().any(|time| *time < SOON), "{times:?}");
    }
    page.end();
}

#[test]
fn the_map_shows_who_talks_to_whom_and_the_keyboard_opens_it() {
    let shop = Shop::open("");
    shop.traffic();
    let mut page = open(&shop);
    page.browser
        .until("document.querySelectorAll('.edges li').length === 2");
    let edges =
        "[...document.querySelectorAll('.edges button')].map((one) => one.textContent).join('|')";
    let said = page.browser.text(edges);
    assert!(
        said.contains("✕ web → db: ") && said.contains("✕ api → db: "),
        "{said}"
    );
    assert!(said.contains("2 connections allowed"), "{said}");
    // Told apart by more than colour: dashes and a sign.
    let line = "getComputedStyle(document.querySelector('.edge.denied .stopped')).strokeDasharray";
    assert_eq!(page.browser.text(line), "7px, 5px");
    assert!(page.text_of(".edge.denied .mark").starts_with("✕ "));
    // A node by the keyboard: chosen, then opened; then its pods are there.
    page.browser
        .eval("document.querySelector('[data-id=\"workload default Deployment/web\"]').focus()");
    page.browser.press("Enter");
    page.browser
        .until("document.querySelector('.panel h2')?.textContent === 'web'");
    page.browser.press("Enter");
    page.browser
        .until("document.querySelector('[data-id=\"pod default/web\"]')");
    // From an edge to its flows.
    page.click(".edges button");
    let flows = "[...document.querySelectorAll('.panel button')].find((one) => one.textContent === 'Flows')";
    page.browser.until(flows);
    page.browser.eval(&format!("{flows}.click()"));
    page.until_rows("rows.length > 0 && rows.every((row) => row.includes('prod/db'))");
    page.end();
}

#[test]
fn policies_are_told_in_words_with_their_hits_and_what_is_not_enforced_in_red() {
    let shop = Shop::open("");
    shop.traffic();
    // A pod that nobody can find here.
    let mut lost = pod_object("lost", &[("app", "lost")], &["10.99.0.1".parse().unwrap()]);
    lost["spec"]["nodeName"] = json!("n1");
    lost["metadata"]["namespace"] = json!("prod");
    shop.node.put(&lost);
    let mut page = open(&shop);
    page.go("policies");
    page.click("[data-policy='prod/db']");
    let rule = "[...document.querySelectorAll('tr.rule')].map((row) => row.innerText).join('|')";
    page.browser
        .until(&format!("{rule}.includes('ingress[0]')"));
    let said = page.browser.text(rule);
    assert!(
        said.contains("from pods with app=api in any namespace, TCP 80, UDP 53"),
        "{said}"
    );
    assert!(said.contains("2 ✓"), "{said}");
    let denied: u64 = shop
        .records(&["--policy", "prod/db", "--verdict", "denied"])
        .iter()
        .map(|one| one.count)
        .sum();
    assert!(said.contains(&format!("{denied} ✕")), "{denied}: {said}");
    let lost = "[...document.querySelectorAll('tr.unenforced')].some((row) => row.innerText.includes('prod/lost'))";
    page.browser.until(lost);
    page.browser.until(
        "document.querySelector('.problems').innerText.includes('prod/lost is not enforced')",
    );
    let red = "getComputedStyle(document.querySelector('.problems li')).color";
    assert_eq!(page.browser.text(red), "rgb(192, 38, 45)");
    // A new policy is there without reloading.
    shop.node.put(
        &json!({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
        "metadata": {"name": "late", "namespace": "prod"}, "spec": {"podSelector": {}}}),
    );
    page.browser
        .until("document.querySelector('[data-policy=\"prod/late\"]')");
    page.end();
}

#[test]
fn why_is_answered_as_on_the_command_line() {
    let shop = Shop::open("");
    let mut page = open(&shop);
    page.go("why");
    page.browser
        .until("document.querySelectorAll('#ends option').length === 3");
    for (from, to, port) in [
        ("default/api", "prod/db", 80),
        ("default/web", "prod/db", 80),
    ] {
        page.enter("#why-from", from);
        page.enter("#why-to", to);
        page.enter("#why-port", &port.to_string());
        let port = port.to_string();
        let manifests = shop.node.lab.manifests();
        let arguments = [
            "trace",
            "--from",
            from,
            "--to",
            to,
            "--port",
            &port,
            "--manifests",
        ];
        let command = std::process::Command::new(crate::common::PROGRAM)
            .args(arguments)
            .arg(manifests)
            .output();
        let text = String::from_utf8(command.unwrap().stdout).unwrap();
        let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        let expected: Vec<String> = text
            .lines()
            .map(words)
            .filter(|line| !line.is_empty())
            .collect();
        let head = Value::from(expected[0].clone());
        page.browser.until(&format!(
            "document.querySelector('#answer h2')?.textContent.slice(2) === {head}"
        ));
        let said = page.browser.text(
            "[...document.querySelectorAll('#answer h2, #answer h3, #answer pre')].map((one) => one.textContent).join('\\n')",
        );
        let said = said
            .lines()
            .map(|line| words(line.trim_start_matches(['✓', '✕', ' '])));
        assert_eq!(said.collect::<Vec<_>>(), expected, "{text}");
    }
    page.enter("#why-from", "default/nobody");
    page.browser
        .until("document.querySelector('#answer .problem')?.textContent.includes('nobody')");
    page.end();
}

#[test]
fn the_page_says_when_the_daemon_is_gone_and_goes_on_with_the_next_one() {
    let mut shop = Shop::open("");
    shop.traffic();
    let mut page = open(&shop);
    page.go("flows");
    let before = shop.records(&[]).len();
    page.until_rows(&format!("rows.length === {before}"));
    shop.node.daemon.take().unwrap().stop(LONG).unwrap();
    page.browser
        .until("document.querySelector('#state').textContent.includes('no daemon')");
    shop.node.start("--node n1");
    page.browser.until("document.querySelector('#state .live')");
    connects(&shop.api, shop.address(), 80, true);
    page.until_rows(&format!("rows.length > {before}"));
    let complaints = page.browser.complaints();
    assert!(
        complaints.iter().all(|one| one.contains("503")),
        "{complaints:?}"
    );
}
