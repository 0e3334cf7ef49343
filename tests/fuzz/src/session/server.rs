//! A server that keeps to the protocol and forgets nothing.

use std::collections::{BTreeMap, VecDeque};

use super::world::MAX_PAYLOAD;
use crate::protocol::ClientOp;

/// What the subjects for answers to requests begin with.
pub(super) const INBOX: &str = "in";

/// One server and one connection to it.
#[derive(Debug, Default)]
pub(super) struct Server {
    /// What has come and is no whole operation yet.
    received: Vec<u8>,
    introduced: bool,
    /// Where the PONG that ends the handshake ends in what was said.
    accepted_at: Option<u64>,
    subscriptions: BTreeMap<u64, Subscription>,
    inbox: Option<u64>,
    /// Requests that have come.
    requests: Vec<u64>,
    /// The numbers of messages that have come, in order.
    pub(super) published: Vec<u64>,
    outgoing: VecDeque<u8>,
    said: u64,
    read: u64,
    /// Messages on their way: where each ends, and for which subscription.
    on_the_way: VecDeque<(u64, u64)>,
}

#[derive(Debug, Default)]
struct Subscription {
    sent: u64,
    max: Option<u64>,
}

/// The client's side.
impl Server {
    pub(super) fn new() -> Self {
        let mut server = Self::default();
        let limits = format!("\"headers\":true,\"max_payload\":{MAX_PAYLOAD}");
        server.say(format!("INFO {{\"server_id\":\"S\",{limits}}}\r\n").as_bytes());
        server
    }

    /// Takes what the client has written, and answers the subscriptions that have
    /// begun: sid, subject and queue group. `trusted`: only this server has spoken.
    pub(super) fn receive(&mut self, bytes: &[u8], trusted: bool) -> Vec<(u64, String)> {
        self.received.extend_from_slice(bytes);
        let received = std::mem::take(&mut self.received);
        let (mut rest, mut begun) = (received.as_slice(), Vec::new());
        while let Some((op, length)) = ClientOp::decode(rest) {
            rest = &rest[length..];
            let introduces = matches!(op, ClientOp::Connect(_));
            assert!(introduces != self.introduced || !trusted, "CONNECT comes first, and once");
            let early = self.accepted_at.is_none_or(|at| at > self.read);
            let handshake = introduces || matches!(op, ClientOp::Ping | ClientOp::Pong);
            assert!(handshake || !early || !trusted, "{op:?} in the handshake");
            begun.extend(self.take(op));
        }
        self.received = rest.to_vec();
        begun
    }

    fn take(&mut self, op: ClientOp<'_>) -> Option<(u64, String)> {
        match op {
            ClientOp::Connect(_) => self.introduced = true,
            ClientOp::Ping => {
                self.say(b"PONG\r\n");
                self.accepted_at.get_or_insert(self.said);
            }
            ClientOp::Pong => {}
            ClientOp::Sub { subject, queue_group, sid } => {
                let old = self.subscriptions.insert(sid, Subscription::default());
                assert!(old.is_none(), "sid {sid} is in use already");
                if subject.starts_with(INBOX) {
                    self.inbox = Some(sid);
                }
                return Some((sid, name(subject, queue_group)));
            }
            ClientOp::Unsub { sid, max } => self.limit(sid, max),
            ClientOp::Pub { reply_to, payload, .. } | ClientOp::HPub { reply_to, payload, .. } => {
                self.published.extend(number(payload));
                let id = reply_to.and_then(|reply| reply.strip_prefix(INBOX)?.strip_prefix('.'));
                self.requests.extend(id.and_then(|id| id.parse::<u64>().ok()));
            }
        }
        None
    }

    fn limit(&mut self, sid: u64, max: Option<u64>) {
        if let Some(subscription) = self.subscriptions.get_mut(&sid) {
            subscription.max = max.filter(|max| *max > subscription.sent);
            if subscription.max.is_none() {
                self.subscriptions.remove(&sid);
            }
        }
    }

    /// What has come of an operation that is not whole.
    pub(super) fn has_partial(&self) -> bool {
        !self.received.is_empty()
    }

    /// Up to so many bytes of what was said, and the subscriptions whose messages
    /// end in them.
    pub(super) fn read(&mut self, bytes: usize) -> (Vec<u8>, Vec<u64>) {
        let bytes: Vec<u8> = self.outgoing.drain(..bytes.min(self.outgoing.len())).collect();
        self.read += bytes.len() as u64;
        let mut sids = Vec::new();
        while let Some((_, sid)) = self.on_the_way.pop_front_if(|(end, _)| *end <= self.read) {
            sids.push(sid);
        }
        (bytes, sids)
    }

    pub(super) fn has_said_all(&self) -> bool {
        self.outgoing.is_empty()
    }

    /// Whether messages for the subscription are on their way.
    pub(super) fn owes(&self, sid: u64) -> bool {
        self.on_the_way.iter().any(|(_, to)| *to == sid)
    }

    /// Subscriptions without the one for answers, and how many messages each may
    /// still have.
    pub(super) fn remaining(&self) -> Vec<(u64, Option<u64>)> {
        let own = self.subscriptions.iter().filter(|(sid, _)| Some(**sid) != self.inbox);
        own.map(|(sid, one)| (*sid, one.max.map(|max| max - one.sent))).collect()
    }
}

/// What it says.
impl Server {
    pub(super) fn say(&mut self, bytes: &[u8]) {
        self.outgoing.extend(bytes);
        self.said += bytes.len() as u64;
    }

    pub(super) fn send(&mut self, nth: u8) {
        let own: Vec<_> = self.remaining();
        let Some(&(sid, remaining)) = own.get(usize::from(nth) % own.len().max(1)) else {
            return;
        };
        self.say(format!("MSG x {sid} 1\r\nm\r\n").as_bytes());
        self.on_the_way.push_back((self.said, sid));
        if remaining == Some(1) {
            self.subscriptions.remove(&sid);
        } else if let Some(subscription) = self.subscriptions.get_mut(&sid) {
            subscription.sent += 1;
        }
    }

    /// Answers a request: its own number is the payload.
    pub(super) fn answer(&mut self, nth: u8, status: bool) {
        let (count, inbox) = (self.requests.len().max(1), self.inbox);
        if let (Some(sid), Some(id)) = (inbox, self.requests.get(usize::from(nth) % count)) {
            let id = id.to_string();
            let (length, status) = (id.len(), status && nth.is_multiple_of(2));
            let answer = if status {
                format!("HMSG {INBOX}.{id} {sid} 16 16\r\nNATS/1.0 503\r\n\r\n\r\n")
            } else {
                format!("MSG {INBOX}.{id} {sid} {length}\r\n{id}\r\n")
            };
            self.say(answer.as_bytes());
        }
    }

    pub(super) fn refuse(&mut self, nth: u8, subject: impl Fn(u64) -> Option<String>) {
        let own = self.remaining();
        if let Some(&(sid, _)) = own.get(usize::from(nth) % own.len().max(1))
            && let Some(subject) = subject(sid)
        {
            self.subscriptions.remove(&sid);
            let text =
                format!("Permissions Violation for Subscription to {subject} (sid \"{sid}\")");
            self.say(format!("-ERR '{text}'\r\n").as_bytes());
        }
    }

    /// Refuses all answers to requests.
    pub(super) fn refuse_inbox(&mut self) {
        if let Some(sid) = self.inbox.take() {
            self.subscriptions.remove(&sid);
            let text = format!("Permissions Violation for Subscription to \"{INBOX}.*\"");
            self.say(format!("-ERR '{text}'\r\n").as_bytes());
        }
    }
}

/// A subscription as errors of a server name it.
pub(super) fn name(subject: &str, queue_group: Option<&str>) -> String {
    match queue_group {
        Some(group) => format!("\"{subject}\" using queue \"{group}\""),
        None => format!("\"{subject}\""),
    }
}

/// The number that a payload begins with.
pub(super) fn number(payload: &[u8]) -> Option<u64> {
    std::str::from_utf8(payload).ok()?.split('.').next()?.parse().ok()
}
