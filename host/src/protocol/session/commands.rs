//! What the owner of a session asks for.

use std::time::Instant;

use rustc_hash::FxHashSet;

use super::{Drain, Session, State};
use crate::protocol::pings::{End, Purpose};
use crate::protocol::subscriptions::Limited;
use crate::protocol::{
    Connect, EndReason, Event, MAX_MESSAGE_BYTES, PingId, QueueGroup, RequestError, RequestId,
    RequestOptions, ServerInfo, SessionError, Sid, Subject, SubjectPattern, encode,
};

/// What servers take if they are not told otherwise; the bound before the first
/// of them has said what it takes.
const DEFAULT_MAX_PAYLOAD: u64 = 1024 * 1024;

/// A server reads no longer lines from clients unless it is told otherwise, and
/// it does not tell.
const MAX_CONTROL_LINE: usize = 4_096;

/// Commands.
impl Session {
    /// Introduces the client, behind [`Event::Info`] in the handshake.
    pub fn authenticate(&mut self, now: Instant, connect: &Connect) {
        if self.state == State::AwaitingInfo {
            self.write_introduction(now, connect);
        }
    }

    /// Asks for the messages of a subject.
    ///
    /// # Errors
    /// If the session is closed or being drained, the names are too long, or the
    /// server has taken nothing for long.
    pub fn subscribe(
        &mut self,
        subject: SubjectPattern<'_>,
        queue_group: Option<QueueGroup<'_>>,
    ) -> Result<Sid, SessionError> {
        self.check_open()?;
        if self.drain != Drain::NotAsked {
            return Err(SessionError::Draining);
        }
        let group = queue_group.map(|group| group.as_str());
        check_line(encode::publish_line_length(subject.as_str(), group, &[]))?;
        self.check_room_for_control()?;
        let sid = self.next_sid();
        self.subscriptions.insert(sid, subject, queue_group);
        if self.state == State::Connected {
            encode::subscribe(self.output.buffer(), subject.as_str(), group, sid.0);
        }
        Ok(sid)
    }

    /// Ends a subscription: now, or after `max` messages since it began. Answers
    /// whether it has ended with this call.
    ///
    /// # Errors
    /// If there is no such subscription, or the session is closed; for a maximum
    /// also if the server has taken nothing for long.
    pub fn unsubscribe(&mut self, sid: Sid, max: Option<u64>) -> Result<bool, SessionError> {
        self.check_open()?;
        let limited = match max.filter(|max| *max > 0) {
            Some(max) => {
                self.check_room_for_control()?;
                self.subscriptions.limit(sid, max)
            }
            None => self.subscriptions.remove(sid).then_some(Limited::Ended),
        };
        let max = match limited.ok_or(SessionError::UnknownSubscription(sid))? {
            Limited::Ended => None,
            Limited::At(max) => Some(max),
        };
        if self.state == State::Connected {
            encode::unsubscribe(self.output.buffer(), sid.0, max);
        }
        Ok(max.is_none())
    }

    /// Ends a subscription at the server. What the server has sent still comes,
    /// and then [`Event::SubscriptionEnded`].
    ///
    /// # Errors
    /// If there is no such subscription, the session is closed, or the server has
    /// left very many PINGs unanswered.
    pub fn drain_subscription(&mut self, now: Instant, sid: Sid) -> Result<(), SessionError> {
        self.check_open()?;
        self.pings.check_room()?;
        let unknown = SessionError::UnknownSubscription(sid);
        let starts = self.subscriptions.drain(sid).ok_or(unknown)?;
        if self.state != State::Connected {
            self.end_drains_without_server();
        } else if starts {
            encode::unsubscribe(self.output.buffer(), sid.0, None);
            self.write_ping(now, Purpose::End(End::Subscription(sid)));
        }
        Ok(())
    }

    /// Puts a message behind those published before; while there is no server
    /// it waits. `headers` is a block made by [`Headers`](crate::protocol::Headers),
    /// or empty.
    ///
    /// # Errors
    /// If the server could not take it, or too much waits already.
    #[inline]
    pub fn publish(
        &mut self,
        subject: Subject<'_>,
        reply_to: Option<Subject<'_>>,
        headers: &[u8],
        payload: &[u8],
    ) -> Result<(), SessionError> {
        let reply_to = reply_to.map(|subject| subject.as_str());
        self.check_message(subject.as_str(), reply_to, headers, payload)?;
        self.check_room(encode::publish_length(subject.as_str(), reply_to, headers, payload))?;
        self.write_message(subject.as_str(), reply_to, headers, payload);
        Ok(())
    }

    /// The same for a message that its publisher was promised room for. There may
    /// be none any more, since others have published meanwhile.
    ///
    /// # Errors
    /// If the server could not take it.
    #[inline]
    pub fn publish_promised(
        &mut self,
        subject: Subject<'_>,
        payload: &[u8],
    ) -> Result<(), SessionError> {
        self.check_message(subject.as_str(), None, &[], payload)?;
        self.write_message(subject.as_str(), None, &[], payload);
        Ok(())
    }

    /// Whether messages of so many bytes in all can be published now.
    ///
    /// # Errors
    /// If too much waits already.
    #[inline]
    pub fn check_room(&self, size: usize) -> Result<(), SessionError> {
        let waiting = self.output.len();
        let limit = self.config.max_pending_bytes;
        let too_many = self.output.waiting_messages() >= self.config.max_pending_messages;
        let too_much = waiting > 0 && waiting + size > limit;
        if too_much || (too_many && self.state != State::Connected) {
            return Err(SessionError::BufferFull { waiting, limit });
        }
        Ok(())
    }

    /// Publishes a message and waits for answers to it; each is an
    /// [`Event::Reply`], the last one says so.
    ///
    /// # Errors
    /// As for [`publish`](Self::publish).
    pub fn request(
        &mut self,
        now: Instant,
        subject: Subject<'_>,
        headers: &[u8],
        payload: &[u8],
        options: &RequestOptions,
    ) -> Result<RequestId, SessionError> {
        let id = self.requests.next_id();
        let mut reply_to = std::mem::take(&mut self.reply_to);
        reply_to.clear();
        reply_to.push_str(&self.config.inbox_prefix);
        reply_to.push('.');
        reply_to.push_str(itoa::Buffer::new().format(id.0));
        let subject = subject.as_str();
        let size = encode::publish_length(subject, Some(&reply_to), headers, payload);
        let checked = self
            .check_message(subject, Some(&reply_to), headers, payload)
            .and_then(|()| self.check_room(size));
        if checked.is_ok() {
            self.open_inbox();
            self.write_message(subject, Some(&reply_to), headers, payload);
            self.requests.insert(now, id, options);
        }
        self.reply_to = reply_to;
        checked.map(|()| id)
    }

    /// Forgets a request; false: it has ended, or never was.
    pub fn cancel_request(&mut self, id: RequestId) -> bool {
        let was_live = self.requests.cancel(id);
        if was_live {
            self.abandon_request();
        }
        was_live
    }

    /// Asks the server to confirm all that was written before: comes back as
    /// [`Event::Pong`], or [`Event::PingLost`] if there is no server for it.
    ///
    /// # Errors
    /// If the server has taken nothing for long, or left very many PINGs unanswered.
    pub fn ping(&mut self, now: Instant) -> Result<PingId, SessionError> {
        self.check_room_for_control()?;
        self.pings.check_room()?;
        let id = self.pings.next_id();
        if self.state == State::Connected && !self.closed {
            self.write_ping(now, Purpose::Flush(id));
        } else {
            self.events.push_back(Event::PingLost { id });
        }
        Ok(id)
    }

    /// Ends all subscriptions at the server and takes no new ones. Messages can
    /// still be published, and answers to requests still come. What the server
    /// has sent still comes too, and then [`Event::Drained`].
    pub fn drain(&mut self, now: Instant) {
        if self.closed || self.drain != Drain::NotAsked {
            return;
        }
        self.drain = Drain::UnderWay;
        let started = self.subscriptions.drain_all();
        if self.state == State::Connected {
            for sid in started {
                encode::unsubscribe(self.output.buffer(), sid.0, None);
            }
            self.write_ping(now, Purpose::End(End::All));
        } else {
            self.end_drains_without_server();
        }
    }

    /// Takes no more commands, and ends subscriptions and requests. What was
    /// written before can still be taken and confirmed if the transport stands.
    pub fn close(&mut self) {
        if self.closed {
            return;
        }
        self.closed = true;
        self.drain = Drain::Done;
        self.fail_requests(&FxHashSet::default(), &RequestError::Closed);
        let ended = self.subscriptions.remove_all();
        self.end_subscriptions(ended, &EndReason::Closed);
        if self.state != State::Connected {
            self.output.clear();
        }
    }

    /// A subject that nothing else in this session has. It has one token more
    /// than those for answers to requests, so that neither is taken for the other.
    pub fn new_inbox(&mut self) -> String {
        self.last_inbox += 1;
        format!("{}.inbox.{}", self.config.inbox_prefix, self.last_inbox)
    }
}

impl Session {
    #[inline]
    fn check_open(&self) -> Result<(), SessionError> {
        if self.closed { Err(SessionError::Closed) } else { Ok(()) }
    }

    /// Operations other than messages are small and few, unless someone repeats
    /// them without end. Messages alone never reach this bound.
    pub(super) fn check_room_for_control(&self) -> Result<(), SessionError> {
        let limit = self.config.max_pending_bytes.saturating_mul(4);
        let waiting = self.output.len();
        if waiting > limit { Err(SessionError::BufferFull { waiting, limit }) } else { Ok(()) }
    }

    #[inline]
    fn check_message(
        &self,
        subject: &str,
        reply_to: Option<&str>,
        headers: &[u8],
        payload: &[u8],
    ) -> Result<(), SessionError> {
        self.check_open()?;
        let size = headers.len() as u64 + payload.len() as u64;
        check_body(self.info.as_deref(), size, !headers.is_empty())?;
        check_line(encode::publish_line_length(subject, reply_to, headers))
    }

    #[inline]
    fn write_message(
        &mut self,
        subject: &str,
        reply_to: Option<&str>,
        headers: &[u8],
        payload: &[u8],
    ) {
        encode::publish(self.output.buffer(), subject, reply_to, headers, payload);
        if self.state != State::Connected {
            self.output.count_waiting_message();
        }
        self.statistics.out_messages += 1;
        self.statistics.out_bytes += (headers.len() + payload.len()) as u64;
    }

    fn next_sid(&mut self) -> Sid {
        self.last_sid += 1;
        Sid(self.last_sid)
    }

    /// Makes sure that answers to requests arrive.
    fn open_inbox(&mut self) {
        if self.inbox.is_some() {
            return;
        }
        let sid = self.next_sid();
        self.inbox = Some(sid);
        if self.state == State::Connected {
            let pattern = self.inbox_pattern();
            encode::subscribe(self.output.buffer(), &pattern, None, sid.0);
        }
    }
}

/// Whether a server takes headers and payload of this size, headers being among
/// them or not.
#[inline]
pub(super) fn check_body(
    info: Option<&ServerInfo>,
    size: u64,
    has_headers: bool,
) -> Result<(), SessionError> {
    let limit = match info {
        Some(info) => info.max_payload.unwrap_or(u64::MAX).min(MAX_MESSAGE_BYTES as u64),
        None => DEFAULT_MAX_PAYLOAD,
    };
    if size > limit {
        return Err(SessionError::PayloadTooLarge { size, limit });
    }
    if has_headers && info.is_some_and(|info| !info.headers) {
        return Err(SessionError::HeadersUnsupported);
    }
    Ok(())
}

#[inline]
fn check_line(size: usize) -> Result<(), SessionError> {
    if size > MAX_CONTROL_LINE {
        return Err(SessionError::ControlLineTooLong { size, limit: MAX_CONTROL_LINE });
    }
    Ok(())
}
