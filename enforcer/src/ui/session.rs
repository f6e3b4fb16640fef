//! Who may ask: a code that is good once becomes a session.
//!
//! Browsers send a host's cookies to all of its ports, so another server of this machine could come by
//! the cookie. It is worth nothing without the key, which only scripts of our own origin can read and which
//! no request has that another page makes.

use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use axum::http::HeaderMap;
use axum::http::header::COOKIE;

use super::secret::Secret;

/// The header with a session's key.
pub(super) const KEY_HEADER: &str = "enforcer-key";

/// How the cookie's name begins; the port comes after, because all ports of a host share their cookies.
const NAME: &str = "enforcer_ui_";

/// The port of addresses that name none.
const HTTP: u16 = 80;

/// How many sessions there may be; then the oldest ends.
const SESSIONS: usize = 16;

/// The code that is good now, and those who came by earlier ones.
pub(super) struct Sessions(Mutex<State>);

struct State {
    code: Secret,
    open: Vec<Session>,
}

struct Session {
    cookie: Secret,
    key: Secret,
}

/// What a browser gets for a code.
pub(super) struct Admission {
    /// The value of a `Set-Cookie` header.
    pub(super) cookie: String,
    /// For [`KEY_HEADER`].
    pub(super) key: String,
    /// The code for the next browser.
    pub(super) next: String,
}

impl Sessions {
    /// Nobody, and a first code.
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self(Mutex::new(State {
            code: Secret::code()?,
            open: Vec::new(),
        })))
    }

    /// The code that is good now.
    pub(super) fn code(&self) -> String {
        self.state().code.as_str().to_owned()
    }

    /// Takes a code for a session of a browser that opened `host`; `None` when it is another, or was used.
    pub(super) fn admit(&self, code: &str, host: &str) -> io::Result<Option<Admission>> {
        let mut state = self.state();
        if !state.code.is(&code.trim().to_ascii_lowercase()) {
            return Ok(None);
        }
        let session = Session {
            cookie: Secret::token()?,
            key: Secret::token()?,
        };
        state.code = Secret::code()?;
        let (_, port) = host.rsplit_once(':').unwrap_or_default();
        let (port, value) = (port.parse().unwrap_or(HTTP), session.cookie.as_str());
        let admission = Admission {
            cookie: format!("{NAME}{port}={value}; HttpOnly; SameSite=Strict; Path=/"),
            key: session.key.as_str().to_owned(),
            next: state.code.as_str().to_owned(),
        };
        if state.open.len() == SESSIONS {
            state.open.remove(0);
        }
        state.open.push(session);
        Ok(Some(admission))
    }

    /// Whether a request is of a session.
    pub(super) fn knows(&self, headers: &HeaderMap) -> bool {
        let Some(key) = headers.get(KEY_HEADER).and_then(|key| key.to_str().ok()) else {
            return false;
        };
        let state = self.state();
        let mut open = state.open.iter();
        // Other servers of this machine have theirs here too.
        open.any(|one| one.key.is(key) && cookies(headers).any(|cookie| one.cookie.is(cookie)))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics between two halves of a change.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn cookies(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let texts = headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|text| text.to_str().ok());
    let pairs = texts
        .flat_map(|text| text.split(';'))
        .filter_map(|pair| pair.trim().split_once('='));
    pairs
        .filter(|(name, _)| name.starts_with(NAME))
        .map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: &str = "localhost:9872";

    fn headers(cookie: &str, key: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(COOKIE, cookie.parse().unwrap());
        headers.insert(KEY_HEADER, key.parse().unwrap());
        headers
    }

    fn admitted(sessions: &Sessions) -> HeaderMap {
        let admission = sessions.admit(&sessions.code(), HOST).unwrap().unwrap();
        let (cookie, _) = admission.cookie.split_once(';').unwrap();
        headers(
            &format!("other=1; {NAME}80=stale; {cookie}"),
            &admission.key,
        )
    }

    #[test]
    fn a_code_is_good_once() {
        let sessions = Sessions::new().unwrap();
        let code = sessions.code();
        assert!(sessions.admit("", HOST).unwrap().is_none());
        let typed = format!(" {} \n", code.to_uppercase());
        let admission = sessions.admit(&typed, HOST).unwrap().unwrap();
        assert!(sessions.admit(&code, HOST).unwrap().is_none());
        assert_eq!(admission.next, sessions.code());
        // What has another port, such as another tunnel's end, has another cookie.
        for (host, port) in [(HOST, 9872), ("[::1]:7", 7), ("localhost", 80)] {
            let admission = sessions.admit(&sessions.code(), host).unwrap().unwrap();
            let name = format!("enforcer_ui_{port}=");
            assert!(admission.cookie.starts_with(&name), "{}", admission.cookie);
        }
    }

    #[test]
    fn a_session_is_known_by_cookie_and_key_together() {
        let sessions = Sessions::new().unwrap();
        let (one, other) = (admitted(&sessions), admitted(&sessions));
        assert!(sessions.knows(&one) && sessions.knows(&other));
        let mixed = [(&one, &other), (&other, &one)].map(|(cookie, key)| {
            let text = |header: &axum::http::HeaderValue| header.to_str().unwrap().to_owned();
            headers(&text(&cookie[COOKIE]), &text(&key[KEY_HEADER]))
        });
        assert!(mixed.iter().all(|headers| !sessions.knows(headers)));
        for missing in [COOKIE.as_str(), KEY_HEADER] {
            let mut headers = one.clone();
            headers.remove(missing);
            assert!(!sessions.knows(&headers), "{missing}");
        }
    }

    #[test]
    fn the_oldest_session_gives_way() {
        let sessions = Sessions::new().unwrap();
        let first = admitted(&sessions);
        let rest: Vec<HeaderMap> = (0..SESSIONS).map(|_| admitted(&sessions)).collect();
        assert!(!sessions.knows(&first));
        assert!(rest.iter().all(|headers| sessions.knows(headers)));
    }
}
