//! A page in a browser, and what one does with it.

use std::path::Path;

use serde_json::Value;

use crate::browser::Browser;
use crate::served::Served;

pub(crate) struct Page {
    pub(crate) browser: Browser,
    pub(crate) served: Served,
}

/// All numbers of the flows table that are in sight.
const ROWS: &str = "[...document.querySelectorAll('.sheet .row')]";

impl Page {
    /// Opens the page by its link.
    pub(crate) fn open(socket: &Path, arguments: &[&str]) -> Self {
        let served = Served::start(socket, arguments);
        let mut browser = Browser::start();
        browser.open(&served.link);
        browser.until("document.querySelector('#state .live')");
        Self { browser, served }
    }

    /// Goes to a view by its tab.
    pub(crate) fn go(&mut self, view: &str) {
        self.click(&format!("#tabs a[href='#{view}']"));
        self.browser
            .until(&format!("document.querySelector('section.{view}')"));
    }

    pub(crate) fn click(&mut self, selector: &str) {
        let element = format!("document.querySelector({})", quoted(selector));
        self.browser.until(&element);
        // Elements of SVG have no `click`.
        let click =
            format!("{element}.dispatchEvent(new MouseEvent('click', {{ bubbles: true }}))");
        self.browser.eval(&click);
    }

    /// Fills in a field and presses Enter there.
    pub(crate) fn enter(&mut self, selector: &str, text: &str) {
        let element = format!("document.querySelector({})", quoted(selector));
        self.browser.until(&element);
        self.browser.eval(&format!(
            "{{ const field = {element}; field.focus(); field.select(); }}"
        ));
        self.browser.type_text(text);
        self.browser.press("Enter");
    }

    /// Adds a filter as one does with the keyboard.
    pub(crate) fn filter(&mut self, what: &str, value: &str) {
        let choose = format!(
            "{{ const what = document.querySelector('.filters select'); what.value = {}; \
             what.dispatchEvent(new Event('change')); }}",
            quoted(what)
        );
        self.browser.eval(&choose);
        self.enter(".filters input", value);
    }

    /// The rows of the flows table that are drawn, as their cells.
    pub(crate) fn rows(&mut self) -> Vec<Vec<String>> {
        let cells =
            format!("{ROWS}.map((row) => [...row.children].map((cell) => cell.textContent))");
        serde_json::from_value(self.browser.eval(&cells)).unwrap()
    }

    /// Waits until an expression over `rows`, the texts of the drawn rows, is true.
    pub(crate) fn until_rows(&mut self, holds: &str) {
        let rows = format!("{ROWS}.map((row) => row.textContent)");
        self.browser.until(&format!("((rows) => {holds})({rows})"));
    }

    pub(crate) fn text_of(&mut self, selector: &str) -> String {
        let text = format!(
            "document.querySelector({})?.textContent ?? ''",
            quoted(selector)
        );
        self.browser.text(&text)
    }

    /// Nothing went wrong in the page all the while.
    pub(crate) fn end(mut self) {
        assert_eq!(self.browser.complaints(), [""; 0]);
    }
}

fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}
