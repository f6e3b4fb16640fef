//! What every request must be like, and what every answer says to the browser.

use axum::extract::Request;
use axum::http::header::{self, HeaderName};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

/// Scripts, styles and requests are our own; nothing is inline, nobody frames the page, and text never
/// becomes markup.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
    connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
    require-trusted-types-for 'script'; trusted-types 'none'";

const HEADERS: [(HeaderName, &str); 6] = [
    (header::CONTENT_SECURITY_POLICY, POLICY),
    (header::CACHE_CONTROL, "no-store"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        "same-origin",
    ),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    ),
];

/// Refuses what a page of somebody else can make a browser send.
pub(super) async fn guard(request: Request, next: Next) -> Response {
    let mut response = match refusal(request.method(), request.headers()) {
        Some(words) => (StatusCode::FORBIDDEN, words).into_response(),
        None => next.run(request).await,
    };
    for (name, value) in HEADERS {
        response
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
    }
    response
}

fn refusal(method: &Method, headers: &HeaderMap) -> Option<&'static str> {
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    // The port is that of a tunnel where there is one; a name that was made to mean this machine is not
    // one of these.
    let Some(host) = text(header::HOST).filter(|host| is_loopback(host)) else {
        return Some("open the page as http://127.0.0.1:PORT or http://localhost:PORT\n");
    };
    match headers.get(header::ORIGIN) {
        Some(origin) if origin.as_bytes() == format!("http://{host}").as_bytes() => None,
        None if method == Method::GET => None,
        _ => Some("another page may not ask here\n"),
    }
}

fn is_loopback(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.parse::<u16>().is_ok() => name,
        _ => host,
    };
    matches!(name, "127.0.0.1" | "localhost" | "[::1]")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(method: &Method, host: Option<&str>, origin: Option<&str>) -> bool {
        let mut headers = HeaderMap::new();
        for (name, value) in [(header::HOST, host), (header::ORIGIN, origin)] {
            if let Some(value) = value {
                headers.insert(name, value.parse().unwrap());
            }
        }
        refusal(method, &headers).is_some()
    }

    #[test]
    fn only_names_of_this_machine_are_hosts() {
        for host in [
            "127.0.0.1:9872",
            "localhost:1",
            "localhost",
            "[::1]:80",
            "[::1]",
        ] {
            assert!(!refused(&Method::GET, Some(host), None), "{host}");
        }
        for host in [
            "evil.example:9872",
            "127.0.0.1.evil.example",
            "10.0.0.1:9872",
            "",
            "localhost:x",
        ] {
            assert!(refused(&Method::GET, Some(host), None), "{host}");
        }
        assert!(refused(&Method::GET, None, None));
    }

    #[test]
    fn whoever_says_where_he_comes_from_must_be_here_and_who_writes_must_say_it() {
        let host = Some("localhost:9872");
        let here = Some("http://localhost:9872");
        assert!(!refused(&Method::GET, host, here));
        assert!(!refused(&Method::POST, host, here));
        assert!(refused(&Method::POST, host, None));
        for origin in [
            "http://localhost:1",
            "https://localhost:9872",
            "http://evil.example",
            "null",
        ] {
            assert!(refused(&Method::GET, host, Some(origin)), "{origin}");
        }
    }
}
