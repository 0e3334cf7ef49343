//! The state of one connection to NATS, across all the transports it goes through.
//!
//! Which server to connect to, how to secure the transport and how to log in is
//! the driver's business; who the messages are for is unknown here.

mod commands;
mod incoming;
mod output;
mod retired;
#[cfg(test)]
mod tests;
mod waiting;

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use rustc_hash::FxHashSet;

pub use self::output::KEPT_OUTPUT;
use self::output::Output;
pub use self::retired::Retired;
use self::retired::Standing;
use super::pings::{Due, Ping, Pings, Purpose};
use super::requests::Requests;
use super::subscriptions::Subscriptions;
use super::{
    Connect, DecodeError, Decoder, EndReason, Event, RequestError, RequestId, ServerInfo, Sid,
    encode,
};

/// So many operations are taken before the caller gets to hand out events: the
/// queue of events stays small, and its memory warm.
const MAX_OPS_PER_CALL: usize = 256;

/// What a session may hold, and how it behaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionConfig {
    /// What the subjects for answers begin with; checked by
    /// [`check_inbox_prefix`](super::check_inbox_prefix).
    pub inbox_prefix: String,
    /// After so much silence the server is asked whether it lives; zero: never.
    pub ping_interval: Duration,
    /// So many PINGs in a row may stay unanswered.
    pub max_pings_out: u32,
    /// The most bytes that wait to be sent.
    pub max_pending_bytes: usize,
    /// The most messages that wait while there is no server.
    pub max_pending_messages: usize,
}

impl Default for SessionConfig {
    /// What the clients of NATS have in common.
    fn default() -> Self {
        Self {
            inbox_prefix: "_INBOX".to_owned(),
            ping_interval: Duration::from_secs(120),
            max_pings_out: 2,
            max_pending_bytes: 8 * 1024 * 1024,
            max_pending_messages: 65_536,
        }
    }
}

/// Counters that only grow. Bytes are headers and payload.
#[expect(missing_docs, reason = "the names say it")]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Statistics {
    pub in_messages: u64,
    pub in_bytes: u64,
    pub out_messages: u64,
    pub out_bytes: u64,
    pub reconnects: u64,
}

/// How far a session is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// There is no transport.
    Disconnected,
    /// There is one, and the server has to introduce itself.
    AwaitingInfo,
    /// CONNECT is written, the answer has not come.
    Handshaking,
    /// The server has accepted the connection.
    Connected,
    /// It was closed by its owner.
    Closed,
}

/// One connection to NATS, without the transport.
///
/// Its methods are of four families:
///
/// - Inputs, `handle_…`: a transport opened, bytes came, time has passed, the
///   transport closed.
/// - Commands, plain verbs: `publish`, `subscribe`, `request`, `drain` and so
///   on. They never wait; what they want to say goes into the output.
/// - Outputs, `poll_…` and `take_…`: events, the next deadline, bytes to write.
/// - Getters, plain nouns.
///
/// After each input the driver takes events until there are none; after inputs
/// and commands it writes what `take_output` gives and sleeps until
/// `poll_timeout`. One transport goes `handle_opened`, `handle_input` until
/// [`Event::Info`], TLS if it is wanted, `authenticate`, `handle_input` and
/// `handle_timeout` for as long as it stands, `handle_closed`; the next one
/// begins anew, with the same subscriptions and what was left unsent.
#[derive(Debug)]
pub struct Session {
    config: SessionConfig,
    /// Of the transport: never `Closed`.
    state: State,
    closed: bool,
    drain: Drain,
    was_connected: bool,
    decoder: Decoder,
    events: VecDeque<Event>,
    output: Output,
    info: Option<Arc<ServerInfo>>,
    /// The servers of the cluster by its last list.
    cluster: BTreeSet<String>,
    subscriptions: Subscriptions,
    requests: Requests,
    /// Requests that have ended while their messages still wait for a server.
    abandoned: usize,
    /// The subscription that takes the answers to all requests.
    inbox: Option<Sid>,
    pings: Pings,
    standing: Standing,
    last_sid: u64,
    last_inbox: u64,
    /// Reused for the reply subjects of requests.
    reply_to: String,
    statistics: Statistics,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Drain {
    NotAsked,
    UnderWay,
    Done,
}

/// Inputs.
impl Session {
    /// A session without a transport.
    pub fn new(config: SessionConfig) -> Self {
        Self {
            pings: Pings::new(config.ping_interval, config.max_pings_out),
            config,
            state: State::Disconnected,
            closed: false,
            drain: Drain::NotAsked,
            was_connected: false,
            decoder: Decoder::new(),
            events: VecDeque::new(),
            output: Output::default(),
            info: None,
            cluster: BTreeSet::new(),
            subscriptions: Subscriptions::default(),
            requests: Requests::default(),
            abandoned: 0,
            inbox: None,
            standing: Standing::default(),
            last_sid: 0,
            last_inbox: 0,
            reply_to: String::new(),
            statistics: Statistics::default(),
        }
    }

    /// A transport stands. The server speaks first.
    pub fn handle_opened(&mut self, _now: Instant) {
        self.decoder = Decoder::new();
        self.output.leave_handshake();
        self.state = State::AwaitingInfo;
    }

    /// Takes operations from `input`, a bounded number of them; true: there may
    /// be more, so take the events and call again. Stops behind the first INFO,
    /// since TLS may be due there: then nothing must be left in `input`.
    ///
    /// # Errors
    /// If the server broke the protocol; the transport must be closed.
    pub fn handle_input(
        &mut self,
        now: Instant,
        input: &mut BytesMut,
    ) -> Result<bool, DecodeError> {
        if !input.is_empty() {
            self.pings.heard(now);
        }
        if self.events.is_empty() {
            // Begins at the begin of its memory again, which is still in the caches.
            self.events.clear();
        }
        // Taken out so that it can hand messages to the rest of the session.
        let mut decoder = std::mem::take(&mut self.decoder);
        let more = self.take_ops(now, &mut decoder, input);
        self.decoder = decoder;
        more
    }

    /// Time has passed: call it at [`poll_timeout`](Self::poll_timeout).
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some((id, answer)) = self.requests.expire(now) {
            self.events.push_back(Event::Reply { id, answer, last: true });
            self.abandon_request();
        }
        match self.pings.due(now) {
            Due::Nothing => {}
            // Silence behind so many questions is answer enough.
            Due::Ping if self.pings.check_room().is_err() => self.events.push_back(Event::Stale),
            Due::Ping => self.write_ping(now, Purpose::KeepAlive),
            Due::GiveUp => self.events.push_back(Event::Stale),
        }
    }

    /// The transport is gone. `unwritten` is the end of what `take_output` gave,
    /// from the **begin of the first operation** that is not wholly written;
    /// [`first_unwritten`](super::first_unwritten) finds it. `partially_written`:
    /// the head of that operation is on the wire.
    ///
    /// Messages that are wholly unwritten are kept for the next transport, in
    /// order. One whose head is on the wire is not sent again, and neither is a
    /// request that has ended.
    pub fn handle_closed(&mut self, _now: Instant, unwritten: &[u8], partially_written: bool) {
        let connected = self.state == State::Connected;
        self.state = State::Disconnected;
        let pings = self.pings.stop();
        self.lose_pings(pings);
        self.output.leave_handshake();
        if self.closed {
            self.output.clear();
        } else if connected {
            // Otherwise nothing but the handshake can have been written.
            self.output.keep_messages(unwritten, partially_written);
            self.drop_abandoned();
            let kept: FxHashSet<RequestId> =
                self.output.reply_subjects().filter_map(|reply| self.request_of(reply)).collect();
            self.fail_requests(&kept, &RequestError::ConnectionLost);
        }
        self.end_drains_without_server();
    }
}

/// Outputs.
impl Session {
    /// Whether there is an event to take.
    #[inline]
    pub fn has_events(&self) -> bool {
        !self.events.is_empty()
    }

    /// What happened next, which stays to be taken.
    #[inline]
    pub fn peek_event(&self) -> Option<&Event> {
        self.events.front()
    }

    /// What happened next.
    #[inline]
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// When to call [`handle_timeout`](Self::handle_timeout).
    pub fn poll_timeout(&self) -> Option<Instant> {
        [self.requests.next_deadline(), self.pings.next_deadline()].into_iter().flatten().min()
    }

    /// Moves what is to be written now behind what `into` has; an empty `into`
    /// is swapped for it, so that two buffers serve for good. False: nothing.
    /// No more than may wait is given at once: what a broken connection gives
    /// back would otherwise grow each time.
    pub fn take_output(&mut self, into: &mut Vec<u8>) -> bool {
        match self.state {
            State::Connected => self.output.take_part(self.config.max_pending_bytes, into),
            State::Handshaking => self.output.take_handshake(into),
            State::Disconnected | State::AwaitingInfo | State::Closed => false,
        }
    }

    /// Bytes that wait, those that wait for a server included.
    pub fn output_len(&self) -> usize {
        self.output.len()
    }
}

/// Getters.
impl Session {
    /// What the server last told of itself.
    pub fn info(&self) -> Option<&Arc<ServerInfo>> {
        self.info.as_ref()
    }

    /// Counters since the session began.
    pub fn statistics(&self) -> Statistics {
        self.statistics
    }

    /// How far the session is.
    pub fn state(&self) -> State {
        if self.closed { State::Closed } else { self.state }
    }

    /// Subscriptions that have not ended, without the one for answers.
    pub fn subscription_count(&self) -> usize {
        self.subscriptions.len()
    }

    /// Subject and queue group of each.
    pub fn subscriptions(&self) -> Vec<(&str, Option<&str>)> {
        self.subscriptions.names()
    }

    /// Whether a request waits for what is published to this subject.
    pub fn awaits_answer_at(&self, subject: &str) -> bool {
        self.request_of(subject.as_bytes()).is_some_and(|id| self.requests.is_waiting(id))
    }

    /// Requests that have not ended.
    pub fn requests_in_flight(&self) -> usize {
        self.requests.len()
    }

    /// How many messages came for a subscription since it began.
    pub fn delivered(&self, sid: Sid) -> Option<u64> {
        self.subscriptions.delivered(sid)
    }

    /// What the subjects for answers begin with.
    pub fn inbox_prefix(&self) -> &str {
        &self.config.inbox_prefix
    }
}

/// Steps that inputs and commands have in common.
impl Session {
    fn write_ping(&mut self, now: Instant, purpose: Purpose) {
        encode::ping(self.output.buffer());
        self.pings.sent(now, purpose);
    }

    fn write_introduction(&mut self, now: Instant, connect: &Connect) {
        // A struct of strings, numbers and switches always becomes JSON.
        let json = serde_json::to_vec(connect).unwrap_or_default();
        let out = self.output.handshake();
        encode::connect(out, &json);
        encode::ping(out);
        self.pings.sent(now, Purpose::Handshake);
        self.state = State::Handshaking;
    }

    fn lose_pings(&mut self, pings: VecDeque<Ping>) {
        for ping in pings {
            if let Purpose::Flush(id) = ping.purpose {
                self.events.push_back(Event::PingLost { id });
            }
        }
    }

    fn fail_requests(&mut self, kept: &FxHashSet<RequestId>, error: &RequestError) {
        for id in self.requests.remove_all_but(kept) {
            self.events.push_back(Event::Reply { id, answer: Err(error.clone()), last: true });
        }
    }

    fn end_subscriptions(&mut self, sids: Vec<Sid>, reason: &EndReason) {
        for sid in sids {
            self.events.push_back(Event::SubscriptionEnded { sid, reason: reason.clone() });
        }
    }

    /// The request whose answers go to `subject`.
    fn request_of(&self, subject: &[u8]) -> Option<RequestId> {
        request_at(&self.config.inbox_prefix, subject)
    }

    fn inbox_pattern(&self) -> String {
        format!("{}.*", self.config.inbox_prefix)
    }
}

/// The request whose answers go to `subject`, under this inbox prefix.
fn request_at(prefix: &str, subject: &[u8]) -> Option<RequestId> {
    let number = subject.strip_prefix(prefix.as_bytes())?;
    super::frame::parse(number.strip_prefix(b".")?).map(RequestId)
}
