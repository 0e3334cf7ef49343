//! What was asked for and what has come of it: everything ends once, and nothing
//! comes after its end.

use std::collections::{BTreeMap, BTreeSet};

use super::server::number;
use crate::protocol::{EndReason, Event, RequestError};

#[derive(Debug, Default)]
pub(super) struct Ledger {
    pub(super) subscriptions: BTreeMap<u64, Subscription>,
    requests: BTreeMap<u64, Request>,
    pings: BTreeMap<u64, bool>,
    /// What each sid has stood for on any wire.
    names: BTreeMap<u64, String>,
    drained: bool,
}

#[derive(Debug)]
pub(super) struct Subscription {
    /// Subject and queue group as an error of a server has them.
    pub(super) name: String,
    pub(super) max: Option<u64>,
    pub(super) delivered: u64,
    pub(super) end: Option<End>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// By its owner, or by its maximum.
    Counted,
    Drained,
    Other,
}

#[derive(Debug)]
struct Request {
    /// The number of its message.
    message: u64,
    max_replies: u8,
    received: u8,
    ended: bool,
}

/// What is asked for.
impl Ledger {
    pub(super) fn subscribed(&mut self, sid: u64, name: String) {
        let new = Subscription { name, max: None, delivered: 0, end: None };
        assert!(self.subscriptions.insert(sid, new).is_none(), "sid {sid} is used again");
        assert!(!self.names.contains_key(&sid), "sid {sid} was on the wire already");
    }

    pub(super) fn begun(&mut self, sid: u64, name: String) {
        assert_eq!(*self.names.entry(sid).or_insert_with(|| name.clone()), name, "sid {sid}");
    }

    pub(super) fn limited(&mut self, sid: u64, max: Option<u64>, ended: bool) {
        let subscription = self.live(sid);
        subscription.max = max.filter(|max| *max > 0);
        let reached = subscription.max.is_none_or(|max| max <= subscription.delivered);
        assert_eq!(ended, reached, "sid {sid} ends with its maximum");
        subscription.end = ended.then_some(End::Counted);
    }

    pub(super) fn requested(&mut self, id: u64, message: u64, max_replies: u8) {
        let new = Request { message, max_replies, received: 0, ended: false };
        assert!(self.requests.insert(id, new).is_none(), "request {id} is used again");
    }

    pub(super) fn cancelled(&mut self, id: u64, was_live: bool) {
        let ended = self.requests.get_mut(&id).map(|request| &mut request.ended);
        assert_eq!(ended.is_some_and(|ended| !std::mem::replace(ended, true)), was_live);
    }

    pub(super) fn pinged(&mut self, id: u64) {
        assert_eq!(self.pings.insert(id, false), None, "ping {id} is used again");
    }
}

/// What comes of it.
impl Ledger {
    /// `trusted`: no server has lied.
    pub(super) fn take(&mut self, event: &Event, trusted: bool) {
        match event {
            Event::Message { sid, last, .. } => {
                assert!(!self.drained, "sid {sid}: a message behind the end of the drain");
                let subscription = self.live(sid.0);
                subscription.delivered += 1;
                assert_eq!(
                    *last,
                    subscription.max.is_some_and(|max| subscription.delivered >= max)
                );
                subscription.end = last.then_some(End::Counted);
            }
            Event::SubscriptionEnded { sid, reason } => {
                let drained = *reason == EndReason::Drained;
                self.live(sid.0).end = Some(if drained { End::Drained } else { End::Other });
            }
            Event::Reply { id, answer, last } => {
                let Some(request) = self.requests.get_mut(&id.0).filter(|one| !one.ended) else {
                    panic!("request {id} has ended, or never was");
                };
                request.ended = *last;
                match answer {
                    Ok(Some(message)) => {
                        request.received = request.received.saturating_add(1);
                        let full = request.received == request.max_replies;
                        assert_eq!(*last, full, "request {id} ends with its last answer");
                        let number = number(message.payload());
                        assert!(!trusted || number.is_none_or(|it| it == id.0), "not for {id}");
                    }
                    Ok(None) => assert!(*last && request.max_replies != 1),
                    Err(error) => {
                        assert!(*last, "an error ends request {id}");
                        let late =
                            matches!(error, RequestError::Timeout | RequestError::NoResponders);
                        assert!(!late || request.received == 0, "request {id} has answers");
                    }
                }
            }
            Event::Pong { id, .. } | Event::PingLost { id } => {
                assert_eq!(self.pings.insert(id.0, true), Some(false), "ping {id} has ended");
            }
            Event::Drained => assert!(!std::mem::replace(&mut self.drained, true), "drained twice"),
            _ => {}
        }
    }

    fn live(&mut self, sid: u64) -> &mut Subscription {
        match self.subscriptions.get_mut(&sid).filter(|one| one.end.is_none()) {
            Some(subscription) => subscription,
            None => panic!("sid {sid} has ended, or never was"),
        }
    }
}

/// What is left.
impl Ledger {
    pub(super) fn names(&self) -> BTreeMap<u64, String> {
        let names = self.subscriptions.iter();
        names.map(|(sid, one)| (*sid, one.name.clone())).collect()
    }

    /// How many messages came for each subscription that is live.
    pub(super) fn delivered(&self) -> BTreeMap<u64, u64> {
        let live = self.subscriptions.iter().filter(|(_, one)| one.end.is_none());
        live.map(|(sid, one)| (*sid, one.delivered)).collect()
    }

    pub(super) fn is_live(&self, sid: u64) -> bool {
        self.subscriptions.get(&sid).is_some_and(|one| one.end.is_none())
    }

    pub(super) fn nth_subscription(&self, nth: u8) -> Option<u64> {
        let count = self.subscriptions.len().max(1);
        self.subscriptions.keys().nth(usize::from(nth) % count).copied()
    }

    pub(super) fn nth_request(&self, nth: u8) -> Option<u64> {
        self.requests.keys().nth(usize::from(nth) % self.requests.len().max(1)).copied()
    }

    pub(super) fn live_subscriptions(&self) -> usize {
        self.subscriptions.values().filter(|one| one.end.is_none()).count()
    }

    pub(super) fn live_requests(&self) -> Vec<u64> {
        let live = self.requests.values().filter(|request| !request.ended);
        live.map(|request| request.message).collect()
    }

    /// The messages of requests that have ended.
    pub(super) fn ended_requests(&self) -> BTreeSet<u64> {
        let ended = self.requests.values().filter(|request| request.ended);
        ended.map(|request| request.message).collect()
    }

    /// Those that ended because they were drained.
    pub(super) fn drained_subscriptions(&self) -> impl Iterator<Item = u64> {
        let all = self.subscriptions.iter();
        all.filter(|(_, one)| one.end == Some(End::Drained)).map(|(sid, _)| *sid)
    }

    /// Subscriptions and how many messages each may still have.
    pub(super) fn remaining(&self) -> Vec<(u64, Option<u64>)> {
        let live = self.subscriptions.iter().filter(|(_, one)| one.end.is_none());
        live.map(|(sid, one)| (*sid, one.max.map(|max| max - one.delivered))).collect()
    }

    pub(super) fn pings_under_way(&self) -> usize {
        self.pings.values().filter(|ended| !**ended).count()
    }
}
