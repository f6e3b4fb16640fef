//! What a proxy's owner and its connections share.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use super::fault::Rule;
use super::{Ending, Fault, Link, Request};

/// What a proxy's owner and its connections share.
#[derive(Debug)]
pub(super) struct State {
    pub(super) link: watch::Sender<Link>,
    /// Counts the times that all connections were cut.
    pub(super) cuts: watch::Sender<u64>,
    /// Counts the times that all watches were ended; how the last time.
    pub(super) endings: watch::Sender<(u64, Ending)>,
    rules: Mutex<Vec<Rule>>,
    seen: Mutex<Vec<Request>>,
}

impl State {
    pub(super) fn new() -> Self {
        Self {
            link: watch::Sender::default(),
            cuts: watch::Sender::default(),
            endings: watch::Sender::new((0, Ending::Clean)),
            rules: Mutex::default(),
            seen: Mutex::default(),
        }
    }

    /// Remembers a request and takes its fault, if it has one.
    pub(super) fn meet(&self, request: &Request) -> Option<Fault> {
        lock(&self.seen).push(request.clone());
        let mut rules = lock(&self.rules);
        let at = rules.iter().position(|rule| (rule.matches)(request))?;
        let rule = &mut rules[at];
        rule.times -= 1;
        let fault = rule.fault;
        if rule.times == 0 {
            rules.remove(at);
        }
        Some(fault)
    }

    pub(super) fn add(&self, rule: Rule) {
        if rule.times > 0 {
            lock(&self.rules).push(rule);
        }
    }

    /// Forgets all rules; gives how many had not been used up.
    pub(super) fn clear(&self) -> usize {
        std::mem::take(&mut *lock(&self.rules)).len()
    }

    pub(super) fn seen(&self) -> Vec<Request> {
        lock(&self.seen).clone()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
