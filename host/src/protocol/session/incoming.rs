//! What each operation of the server does to a session.

use std::sync::Arc;
use std::time::Instant;

use bytes::BytesMut;
use rustc_hash::FxHashSet;

use super::{Drain, MAX_OPS_PER_CALL, Session, State};
use crate::protocol::pings::{End, Ping, Purpose};
use crate::protocol::{
    DecodeError, Decoder, EndReason, Event, Message, RequestError, ServerError, ServerErrorKind,
    ServerInfo, ServerOp, Sid, encode,
};

impl Session {
    /// Answers whether there may be more.
    pub(super) fn take_ops(
        &mut self,
        now: Instant,
        decoder: &mut Decoder,
        input: &mut BytesMut,
    ) -> Result<bool, DecodeError> {
        let mut left = MAX_OPS_PER_CALL;
        while left > 0 {
            let introduces = self.state == State::AwaitingInfo;
            let mut messages = 0;
            let other = decoder.decode_messages(input, left, |sid, message| {
                messages += 1;
                if !introduces {
                    self.take_message(now, Sid(sid), message);
                }
            })?;
            if introduces && messages > 0 {
                return Err(DecodeError::BeforeInfo("MSG"));
            }
            match other {
                Some(op) => {
                    left = left.saturating_sub(messages + 1);
                    if self.take_other(now, op)? {
                        break;
                    }
                }
                None if messages == 0 || input.is_empty() => return Ok(false),
                None => left = left.saturating_sub(messages),
            }
        }
        Ok(!input.is_empty())
    }

    #[inline]
    pub(super) fn take_message(&mut self, now: Instant, sid: Sid, message: Message) {
        self.statistics.in_messages += 1;
        self.statistics.in_bytes += message.body_size() as u64;
        if let Some(last) = self.subscriptions.deliver(sid) {
            self.events.push_back(Event::Message { sid, message, last });
        } else if self.inbox == Some(sid)
            && let Some(id) = self.request_of(message.subject())
            && let Some((answer, last)) = self.requests.answer(now, id, message)
        {
            self.events.push_back(Event::Reply { id, answer, last });
        }
    }

    /// Answers whether the server has just introduced itself.
    fn take_other(&mut self, now: Instant, op: ServerOp) -> Result<bool, DecodeError> {
        let introduces = self.state == State::AwaitingInfo;
        match op {
            ServerOp::Info(info) => {
                self.take_info(*info, introduces);
                return Ok(introduces);
            }
            ServerOp::Error(text) => self.take_error(ServerError::classify(&text)),
            op if introduces => return Err(DecodeError::BeforeInfo(op.name())),
            // A server that takes nothing does not wait for a PONG.
            ServerOp::Ping if self.check_room_for_control().is_err() => {}
            ServerOp::Ping if self.state == State::Connected => encode::pong(self.output.buffer()),
            // CONNECT goes ahead of everything, and is not written any more.
            ServerOp::Ping if self.closed => {}
            ServerOp::Ping => encode::pong(self.output.handshake()),
            ServerOp::Pong => self.take_pong(now),
            ServerOp::Message { sid, message } => self.take_message(now, Sid(sid), message),
            ServerOp::Ok => {}
        }
        Ok(false)
    }

    fn take_info(&mut self, info: ServerInfo, introduces: bool) {
        let was_leaving = !introduces && self.info.as_ref().is_some_and(|info| info.ldm);
        let leaving = info.ldm && !was_leaving;
        let listed = info.connect_urls.iter();
        let new: Vec<_> = listed.filter(|url| !self.cluster.contains(*url)).cloned().collect();
        // A server that lists nothing does not know of a cluster.
        if !info.connect_urls.is_empty() {
            self.cluster = info.connect_urls.iter().cloned().collect();
        }
        let info = Arc::new(info);
        self.info = Some(Arc::clone(&info));
        self.events.push_back(Event::Info(info));
        if !new.is_empty() {
            self.events.push_back(Event::Discovered(new));
        }
        if leaving {
            self.events.push_back(Event::LameDuck);
        }
    }

    fn take_pong(&mut self, now: Instant) {
        if self.state == State::Handshaking && !self.output.has_introduced() {
            // It came before CONNECT was written, so it can't be the consent to it.
            return;
        }
        // A PONG that nothing waits for means nothing.
        if let Some(ping) = self.pings.answered() {
            self.take_answer(now, ping);
        }
    }

    pub(super) fn take_answer(&mut self, now: Instant, ping: Ping) {
        match ping.purpose {
            Purpose::KeepAlive => {}
            Purpose::Handshake => self.enter_connected(now),
            Purpose::Flush(id) => {
                let rtt = now.saturating_duration_since(ping.sent);
                self.events.push_back(Event::Pong { id, rtt });
            }
            Purpose::End(end) => self.take_end(end),
        }
    }

    pub(super) fn take_end(&mut self, end: End) {
        match self.standing.put_off(end) {
            None => {}
            Some(End::Subscription(sid)) => {
                let drained = self.subscriptions.remove(sid);
                if drained {
                    self.end_subscriptions(vec![sid], &EndReason::Drained);
                }
            }
            Some(End::All) => {
                let ended = self.subscriptions.remove_draining();
                self.end_subscriptions(ended, &EndReason::Drained);
                if self.drain == Drain::UnderWay {
                    self.drain = Drain::Done;
                    self.events.push_back(Event::Drained);
                }
            }
        }
    }

    pub(super) fn enter_connected(&mut self, now: Instant) {
        self.state = State::Connected;
        self.statistics.reconnects += u64::from(self.was_connected);
        self.was_connected = true;
        let inbox = self.inbox.map(|sid| (self.inbox_pattern(), sid));
        self.drop_abandoned();
        self.refuse_unfit();
        self.output.enter_connected(|out| {
            self.subscriptions.restore(out);
            if let Some((pattern, sid)) = inbox {
                encode::subscribe(out, &pattern, None, sid.0);
            }
        });
        self.pings.start(now);
        self.events.push_back(Event::Connected);
        if self.drain == Drain::UnderWay {
            self.write_ping(now, Purpose::End(End::All));
        }
    }

    fn take_error(&mut self, error: ServerError) {
        match error.kind {
            ServerErrorKind::SubscriptionPermission { ref subject, ref queue, sid } => {
                let found = match sid {
                    Some(sid) => Some(Sid(sid)),
                    None if *subject == self.inbox_pattern() && queue.is_none() => self.inbox,
                    None => None,
                };
                let found = found.or_else(|| self.subscriptions.find(subject, queue.as_deref()));
                match found {
                    Some(sid) if self.inbox == Some(sid) => {
                        // The next request asks again: permissions may change.
                        self.inbox = None;
                        let refused = RequestError::PermissionDenied(error.text);
                        self.fail_requests(&FxHashSet::default(), &refused);
                    }
                    Some(sid) if self.subscriptions.remove(sid) => {
                        self.end_subscriptions(vec![sid], &EndReason::Refused(error.text));
                    }
                    _ => self.events.push_back(Event::ServerError(Box::new(error))),
                }
            }
            ServerErrorKind::PublishPermission { subject, reply } => {
                let text = error.text;
                let request = self.request_of(subject.as_bytes()).filter(|_| reply);
                match request.filter(|&id| self.requests.cancel(id)) {
                    Some(id) => {
                        let answer = Err(RequestError::PermissionDenied(text));
                        self.events.push_back(Event::Reply { id, answer, last: true });
                    }
                    None => self.events.push_back(Event::PublishRefused { subject, text }),
                }
            }
            _ => self.events.push_back(Event::ServerError(Box::new(error))),
        }
    }
}
