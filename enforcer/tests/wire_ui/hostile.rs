//! Names that are more than names.

use serde_json::json;

use crate::page::Page;
use crate::recorded::{Recorded, flow, side};

#[test]
fn whatever_records_say_is_text() {
    let recorded = Recorded::new(&[]);
    let markup = "<img src=x onerror=window.hit=1>";
    let mut from = side("a", markup, "\"><script>window.hit=1</script>", 1, 1);
    from["labels"] = json!({"app": markup});
    let to = side("javascript:window.hit=1", markup, "app", 2, 80);
    recorded.record([flow(
        "2026-11-21T08:00:00Z",
        &from,
        &to,
        &format!("a/{markup}"),
        false,
    )]);
    let manifests = recorded.manifests().to_str().unwrap().to_owned();
    let mut page = Page::open(&recorded.socket(), &["--manifests", &manifests]);
    page.browser
        .until("document.querySelector('.edges').textContent.includes('→')");
    page.click(".edges button");
    page.browser
        .until("document.querySelector('.panel').textContent.includes('onerror')");
    page.go("flows");
    page.click(".sheet .row");
    page.browser
        .until("document.querySelector('.detail pre').textContent.includes('onerror')");
    page.filter("pod", markup);
    page.browser
        .until("document.querySelector('.chips').textContent.includes('onerror')");
    assert_eq!(
        page.browser
            .eval("document.querySelectorAll('img, main script').length"),
        0
    );
    assert_eq!(page.browser.eval("window.hit ?? null"), json!(null));
    // The browser itself refuses to make markup of text in this page.
    let inserted = page
        .browser
        .eval("try { document.body.innerHTML = '<b>x</b>'; 'done' } catch { 'refused' }");
    assert_eq!(inserted, "refused");
}
