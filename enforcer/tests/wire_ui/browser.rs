//! A headless browser, driven by the `DevTools` protocol over a pair of pipes: one JSON message after another,
//! each ended by a zero byte.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::common::LONG;

const PROGRAM: &str = "chromium-headless-shell";

/// The browser takes its pipes as descriptors 3 and 4.
const SHELL: &str = r#"exec "$0" "$@" 3<&0 4>&1 </dev/null >/dev/null"#;

const ARGUMENTS: [&str; 8] = [
    "--remote-debugging-pipe",
    // Tests are root, whom the browser gives no sandbox.
    "--no-sandbox",
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--no-proxy-server",
    // It talks to nobody but the page.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    "--disable-background-networking",
    "--lang=en-US",
];

/// A browser with one tab.
pub(crate) struct Browser {
    process: Child,
    orders: Option<ChildStdin>,
    messages: Receiver<Value>,
    number: u64,
    session: Option<String>,
    /// What the page complained of: errors, refused resources, broken policies.
    complaints: Vec<String>,
    profile: TempDir,
}

impl Browser {
    pub(crate) fn start() -> Self {
        let profile = tempfile::tempdir().unwrap();
        let errors = std::fs::File::create(profile.path().join("stderr")).unwrap();
        let mut process = Command::new("sh")
            .args(["-c", SHELL, PROGRAM])
            .args(ARGUMENTS)
            .arg(format!(
                "--user-data-dir={}",
                profile.path().join("profile").display()
            ))
            .env("HOME", profile.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(errors)
            .spawn()
            .unwrap();
        let orders = process.stdin.take();
        let mut answers = BufReader::new(process.stdout.take().unwrap());
        let (sender, messages) = channel();
        std::thread::spawn(move || {
            let mut message = Vec::new();
            while answers
                .read_until(0, &mut message)
                .is_ok_and(|length| length > 0)
            {
                message.pop();
                let parsed = serde_json::from_slice(&message);
                if parsed.map(|one| sender.send(one)).is_err() {
                    return;
                }
                message.clear();
            }
        });
        let mut browser = Self {
            process,
            orders,
            messages,
            number: 0,
            session: None,
            complaints: Vec::new(),
            profile,
        };
        browser.open_tab();
        browser
    }

    fn open_tab(&mut self) {
        let tab = self.order("Target.createTarget", &json!({"url": "about:blank"}));
        let attached = self.order(
            "Target.attachToTarget",
            &json!({"targetId": tab["targetId"], "flatten": true}),
        );
        self.session = attached["sessionId"].as_str().map(ToOwned::to_owned);
        for domain in ["Page", "Runtime", "Log"] {
            self.order(&format!("{domain}.enable"), &json!({}));
        }
        let size = json!({"width": 1280, "height": 720, "deviceScaleFactor": 1, "mobile": false});
        self.order("Emulation.setDeviceMetricsOverride", &size);
    }

    /// Gives an order and waits for its result.
    pub(crate) fn order(&mut self, method: &str, parameters: &Value) -> Value {
        self.number += 1;
        let mut order = json!({"id": self.number, "method": method, "params": parameters});
        if let Some(session) = &self.session {
            order["sessionId"] = json!(session);
        }
        let mut bytes = order.to_string().into_bytes();
        bytes.push(0);
        let orders = self.orders.as_mut().unwrap();
        let sent = orders.write_all(&bytes).and_then(|()| orders.flush());
        assert!(sent.is_ok(), "{method}: {sent:?}; {}", self.errors());
        let end = Instant::now() + LONG;
        loop {
            let rest = end.saturating_duration_since(Instant::now());
            let message = self.messages.recv_timeout(rest);
            assert!(message.is_ok(), "{method}: {message:?}; {}", self.errors());
            let message = message.unwrap();
            if message["id"] == self.number {
                assert_eq!(message["error"], Value::Null, "{method} {parameters}");
                return message["result"].clone();
            }
            self.note(&message);
        }
    }

    fn note(&mut self, event: &Value) {
        let parameters = &event["params"];
        let complaint = match event["method"].as_str() {
            Some("Runtime.exceptionThrown") => parameters["exceptionDetails"].to_string(),
            Some("Log.entryAdded") if parameters["entry"]["level"] == "error" => {
                parameters["entry"].to_string()
            }
            Some("Runtime.consoleAPICalled")
                if parameters["type"] == "error" || parameters["type"] == "assert" =>
            {
                parameters["args"].to_string()
            }
            _ => return,
        };
        self.complaints.push(complaint);
    }

    /// What the page complained of since the last time.
    pub(crate) fn complaints(&mut self) -> Vec<String> {
        // Everything before this answer has been told.
        self.eval("0");
        std::mem::take(&mut self.complaints)
    }

    /// The value of an expression in the page; of a promise what it comes to.
    pub(crate) fn eval(&mut self, expression: &str) -> Value {
        let asked = json!({"expression": expression, "awaitPromise": true, "returnByValue": true});
        let result = self.order("Runtime.evaluate", &asked);
        let thrown = &result["exceptionDetails"];
        assert_eq!(*thrown, Value::Null, "{expression}");
        result["result"]["value"].clone()
    }

    /// Asks until an expression is true.
    pub(crate) fn until(&mut self, expression: &str) {
        let end = Instant::now() + LONG;
        while self.eval(&format!("Boolean({expression})")) != true {
            if Instant::now() > end {
                let page = self.eval("document.body.innerText");
                let complaints = &self.complaints;
                unreachable!("still not: {expression}; {complaints:?}; the page:\n{page}");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    pub(crate) fn text(&mut self, expression: &str) -> String {
        self.eval(expression)
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }

    pub(crate) fn open(&mut self, link: &str) {
        let opened = self.order("Page.navigate", &json!({"url": link}));
        assert_eq!(opened["errorText"], Value::Null, "{link}");
    }

    /// Presses a key on whatever has the focus.
    pub(crate) fn press(&mut self, key: &str) {
        let text = if key == "Enter" { "\r" } else { "" };
        for kind in ["keyDown", "keyUp"] {
            let mut event = json!({"type": kind, "key": key, "code": key});
            if kind == "keyDown" && !text.is_empty() {
                event["text"] = json!(text);
            }
            self.order("Input.dispatchKeyEvent", &event);
        }
    }

    /// Types into whatever has the focus.
    pub(crate) fn type_text(&mut self, text: &str) {
        self.order("Input.insertText", &json!({ "text": text }));
    }

    /// A picture of the page, as base64 of a PNG.
    pub(crate) fn picture(&mut self) -> String {
        let picture = self.order("Page.captureScreenshot", &json!({"format": "png"}));
        picture["data"].as_str().unwrap().to_owned()
    }

    fn errors(&self) -> String {
        std::fs::read_to_string(self.profile.path().join("stderr")).unwrap_or_default()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // It ends with its pipe.
        drop(self.orders.take());
        let end = Instant::now() + Duration::from_secs(10);
        while matches!(self.process.try_wait(), Ok(None)) && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(10));
        }
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
