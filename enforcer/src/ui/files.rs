//! The files of the page. Nothing in them is secret, so everybody on this machine may have them.

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse as _;
use axum::routing::get;

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const SVG: &str = "image/svg+xml";

macro_rules! files {
    ($($path:literal, $kind:ident, $file:literal;)*) => {
        [$(($path, $kind, include_str!(concat!("page/", $file)))),*]
    };
}

/// Path, kind and text of each file.
const FILES: [(&str, &str, &str); 20] = files! {
    "/", HTML, "index.html";
    "/icon.svg", SVG, "icon.svg";
    "/style.css", CSS, "style.css";
    "/map.css", CSS, "map.css";
    "/main.js", SCRIPT, "main.js";
    "/dom.js", SCRIPT, "dom.js";
    "/server.js", SCRIPT, "server.js";
    "/login.js", SCRIPT, "login.js";
    "/records.js", SCRIPT, "records.js";
    "/world.js", SCRIPT, "world.js";
    "/flows.js", SCRIPT, "flows.js";
    "/filters.js", SCRIPT, "filters.js";
    "/graph.js", SCRIPT, "graph.js";
    "/layout.js", SCRIPT, "layout.js";
    "/map.js", SCRIPT, "map.js";
    "/camera.js", SCRIPT, "camera.js";
    "/talk.js", SCRIPT, "talk.js";
    "/ways.js", SCRIPT, "ways.js";
    "/policies.js", SCRIPT, "policies.js";
    "/why.js", SCRIPT, "why.js";
};

/// Serves them.
pub(super) fn router<S: Clone + Send + Sync + 'static>() -> Router<S> {
    let mut router = Router::new();
    for (path, kind, text) in FILES {
        let serve = move || async move { ([(CONTENT_TYPE, kind)], text).into_response() };
        router = router.route(path, get(serve));
    }
    router
}
