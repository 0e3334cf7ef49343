//! A session, its servers and the time, and what must hold after every step.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::ledger::Ledger;
use super::link::Link;
use super::script::{LIES, Step};
use super::server::name;
use super::transport::new_session;
use crate::protocol::{
    Headers, QueueGroup, RequestId, RequestOptions, Session, Sid, State, Subject, SubjectPattern,
};

/// The most bytes that may wait; few, so that they often do.
pub(super) const MAX_PENDING_BYTES: usize = 400;

/// Headers and payload that a server takes.
pub(super) const MAX_PAYLOAD: usize = 200;

/// A message of the largest size, with its line.
pub(super) const MAX_MESSAGE: usize = 260;

pub(super) struct World {
    /// Servers keep to the protocol.
    pub(super) honest: bool,
    pub(super) session: Session,
    pub(super) now: Instant,
    pub(super) current: Option<Link>,
    pub(super) retired: Vec<Link>,
    pub(super) ledger: Ledger,
    /// Messages that the session has taken, and their sizes.
    pub(super) accepted: BTreeMap<u64, usize>,
    /// What the servers of earlier links have had, by link.
    pub(super) published: BTreeMap<usize, Vec<u64>>,
    /// Messages that were cut, left behind with a server that broke, or too large.
    pub(super) excused: BTreeSet<u64>,
    pub(super) links: usize,
    pub(super) stale: bool,
    last_message: u64,
}

impl World {
    pub(super) fn new(honest: bool) -> Self {
        Self {
            honest,
            session: new_session(),
            now: Instant::now(),
            current: None,
            retired: Vec::new(),
            ledger: Ledger::default(),
            accepted: BTreeMap::new(),
            published: BTreeMap::new(),
            excused: BTreeSet::new(),
            links: 0,
            stale: false,
            last_message: 0,
        }
    }

    pub(super) fn take(&mut self, step: &Step) {
        match *step {
            Step::Open => self.open(),
            Step::Cut { link } => self.cut(link),
            Step::Move => self.move_on(),
            Step::Write { link, bytes } => self.write(link, bytes),
            Step::Read { link, bytes } => self.read(link, bytes),
            Step::Pass { seconds } => self.pass(seconds.into()),
            Step::Message { .. }
            | Step::Answer { .. }
            | Step::Refuse { .. }
            | Step::ServerPing { .. }
            | Step::Info { .. }
            | Step::Lie { .. }
            | Step::Garbage { .. } => self.say(step),
            _ => self.command(step),
        }
        self.take_events();
        self.check();
    }

    pub(super) fn link(&mut self, link: u8) -> Option<&mut Link> {
        match usize::from(link).checked_sub(1) {
            None => self.current.as_mut(),
            Some(nth) => self.retired.get_mut(nth),
        }
    }

    fn say(&mut self, step: &Step) {
        let honest = self.honest;
        let link = match *step {
            Step::Message { link, .. }
            | Step::Answer { link, .. }
            | Step::Refuse { link, .. }
            | Step::ServerPing { link }
            | Step::Info { link, .. } => link,
            _ => 0,
        };
        let names = self.ledger.names();
        let Some(server) = self.link(link).map(|link| &mut link.server) else { return };
        match step {
            Step::Message { nth, .. } => server.send(*nth),
            Step::Answer { nth, status, .. } => server.answer(*nth, *status),
            Step::Refuse { nth: 0..16, .. } => server.refuse_inbox(),
            Step::Refuse { nth, .. } => server.refuse(*nth, |sid| names.get(&sid).cloned()),
            Step::ServerPing { .. } => server.say(b"PING\r\n"),
            Step::Info { nth, .. } => {
                let (leaving, url) = (nth & 1 == 1, nth / 2 % 4);
                let limits = format!("\"headers\":true,\"max_payload\":{MAX_PAYLOAD}");
                let json = format!("{{{limits},\"ldm\":{leaving},\"connect_urls\":[\"h:{url}\"]}}");
                server.say(format!("INFO {json}\r\n").as_bytes());
            }
            Step::Lie { nth } if !honest => {
                server.say(LIES[usize::from(*nth) % LIES.len()].as_bytes());
            }
            Step::Garbage { bytes } if !honest => server.say(bytes),
            _ => {}
        }
    }

    fn command(&mut self, step: &Step) {
        match *step {
            Step::Subscribe { nth, group } => {
                let (subject, group) = (format!("s.{}", nth % 4), group.then_some("q"));
                if let (Ok(pattern), Ok(queue)) =
                    (SubjectPattern::new(&subject), group.map(QueueGroup::new).transpose())
                    && let Ok(sid) = self.session.subscribe(pattern, queue)
                {
                    self.ledger.subscribed(sid.0, name(&subject, group));
                }
            }
            Step::Unsubscribe { nth, max } => {
                let Some(sid) = self.ledger.nth_subscription(nth) else { return };
                let max = max.map(u64::from);
                let known = self.ledger.subscriptions.get(&sid).and_then(|one| one.max);
                if self.honest && known.is_some_and(|known| max > Some(known)) {
                    // The server may have ended it at the lower one meanwhile.
                    return;
                }
                if let Ok(ended) = self.session.unsubscribe(Sid(sid), max) {
                    self.ledger.limited(sid, max, ended);
                }
            }
            Step::DrainSubscription { nth } => {
                let Some(sid) = self.ledger.nth_subscription(nth) else { return };
                let known = self.ledger.is_live(sid) && self.session.state() != State::Closed;
                let result = self.session.drain_subscription(self.now, Sid(sid));
                assert_eq!(result.is_ok(), known, "{result:?}");
            }
            Step::Publish { size, headers } => self.publish(size, headers),
            Step::Request { max_replies, timeout, stall } => {
                self.request(max_replies, timeout, stall);
            }
            Step::Cancel { nth } => {
                let Some(id) = self.ledger.nth_request(nth) else { return };
                let was_live = self.session.cancel_request(RequestId(id));
                self.ledger.cancelled(id, was_live);
            }
            Step::Ping => {
                if let Ok(id) = self.session.ping(self.now) {
                    self.ledger.pinged(id.0);
                }
            }
            Step::Drain => self.session.drain(self.now),
            Step::Close => self.session.close(),
            _ => {}
        }
    }

    fn next_payload(&mut self, size: u8) -> Vec<u8> {
        self.last_message += 1;
        let mut payload = format!("{}.", self.last_message).into_bytes();
        payload.resize(payload.len().max(size.into()), b'\n');
        payload
    }

    fn publish(&mut self, size: u8, with_headers: bool) {
        let payload = self.next_payload(size);
        let mut headers = Headers::new();
        if with_headers {
            assert!(headers.push("a", b"b").is_ok());
        }
        let Ok(subject) = Subject::new("to") else { return };
        let before = self.session.output_len();
        if self.session.publish(subject, None, headers.as_bytes(), &payload).is_ok() {
            self.accepted(before);
            if headers.as_bytes().len() + payload.len() > MAX_PAYLOAD {
                // It was taken before the first server told that it takes less.
                self.excused.insert(self.last_message);
            }
        }
    }

    fn request(&mut self, max_replies: u8, timeout: u8, stall: Option<u8>) {
        let payload = self.next_payload(0);
        let seconds = |seconds: u8| Duration::from_secs(seconds.into());
        let options = RequestOptions {
            timeout: seconds(timeout),
            max_replies: max_replies.into(),
            stall: stall.map(seconds),
        };
        let Ok(subject) = Subject::new("ask") else { return };
        let before = self.session.output_len();
        if let Ok(id) = self.session.request(self.now, subject, b"", &payload, &options) {
            self.ledger.requested(id.0, self.last_message, max_replies);
            self.accepted(before);
        }
    }

    fn accepted(&mut self, before: usize) {
        let waiting = self.session.output_len();
        self.accepted.insert(self.last_message, waiting - before);
        assert!(waiting <= MAX_PENDING_BYTES.max(MAX_MESSAGE), "{waiting} bytes wait");
    }

    pub(super) fn pass(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
        self.session.handle_timeout(self.now);
        assert!(self.session.poll_timeout().is_none_or(|at| at > self.now), "a deadline stays");
    }
}
