//! Moving to another server while the present one still serves, as when it has
//! said that it is about to shut down.

use std::collections::VecDeque;
use std::time::Instant;

use bytes::BytesMut;

use super::{Session, State};
use crate::protocol::pings::{End, Ping, Purpose};
use crate::protocol::subscriptions::Limited;
use crate::protocol::{DecodeError, Decoder, Event, Message, ServerOp, Sid, encode};

/// What is left of a transport that another one has replaced: it still brings
/// what its server had sent.
#[derive(Debug)]
pub struct Retired {
    decoder: Decoder,
    /// Those that only the old server can answer, without the farewell.
    pings: VecDeque<Ping>,
    farewell: Vec<u8>,
}

impl Retired {
    /// What ends the subscriptions at the old server, to be written to it once the
    /// others are known to reach the new one. Empty from the second time on.
    pub fn take_farewell(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.farewell)
    }
}

/// What a session knows of the transports that were replaced and still stand.
#[derive(Debug, Default)]
pub(super) struct Standing {
    transports: usize,
    /// Ends of drains that the present server has confirmed, while those before
    /// may still bring messages of the same subscriptions.
    ends: Vec<End>,
}

impl Standing {
    /// Takes an end if it comes too early to be acted upon.
    pub(super) fn put_off(&mut self, end: End) -> Option<End> {
        if !self.is_any() {
            return Some(end);
        }
        self.ends.push(end);
        None
    }

    /// Whether there are any.
    pub(super) fn is_any(&self) -> bool {
        self.transports > 0
    }

    /// The present server is gone: of these subscriptions nothing comes any more
    /// but from those before.
    pub(super) fn owe_ends(&mut self, draining: Vec<Sid>) {
        self.ends = draining.into_iter().map(End::Subscription).collect();
    }
}

impl Session {
    /// Goes on with the server over whose transport `accepted` has got through the
    /// handshake. What is still to be written to the old server goes into
    /// `unwritten`, and after it comes the [farewell](Retired::take_farewell);
    /// subscriptions and what is published from now on go to the new one.
    ///
    /// While both have the subscriptions, a message that is not for a queue group
    /// may come from both: at this moment one too many is better than one missed.
    pub fn handle_replaced(
        &mut self,
        now: Instant,
        accepted: Self,
        unwritten: &mut Vec<u8>,
    ) -> Retired {
        self.output.take(unwritten);
        let mut farewell = Vec::new();
        for sid in self.subscriptions.sids().into_iter().chain(self.inbox) {
            encode::unsubscribe(&mut farewell, sid.0, None);
        }
        encode::ping(&mut farewell);
        let mut pings = self.pings.stop();
        for ping in pings.iter_mut().filter(|ping| ping.purpose == Purpose::End(End::All)) {
            // The new server is asked instead, who takes what follows.
            ping.purpose = Purpose::KeepAlive;
        }
        let decoder = std::mem::replace(&mut self.decoder, accepted.decoder);
        let retired = Retired { decoder, pings, farewell };
        self.standing.transports += 1;
        if let Some(info) = accepted.info {
            self.cluster = info.connect_urls.iter().cloned().collect();
            self.events.push_back(Event::Info(std::sync::Arc::clone(&info)));
            self.info = Some(info);
        }
        self.enter_connected(now);
        retired
    }

    /// Takes operations of a server that was replaced; true: it has said
    /// everything.
    ///
    /// # Errors
    /// If it broke the protocol.
    pub fn handle_retired_input(
        &mut self,
        now: Instant,
        retired: &mut Retired,
        input: &mut BytesMut,
    ) -> Result<bool, DecodeError> {
        while let Some(op) = retired.decoder.decode(input)? {
            match op {
                ServerOp::Message { sid, message } => self.take_late(now, Sid(sid), message),
                ServerOp::Pong => match retired.pings.pop_front() {
                    Some(ping) => self.take_answer(now, ping),
                    None => return Ok(true),
                },
                _ => {}
            }
        }
        Ok(false)
    }

    /// The replaced server will say no more.
    pub fn handle_retired_closed(&mut self, retired: Retired) {
        self.standing.transports = self.standing.transports.saturating_sub(1);
        let (mut ends, mut lost) = (std::mem::take(&mut self.standing.ends), VecDeque::new());
        for ping in retired.pings {
            match ping.purpose {
                Purpose::End(end) => ends.push(end),
                _ => lost.push_back(ping),
            }
        }
        self.lose_pings(lost);
        for end in ends {
            self.take_end(end);
        }
        if self.state != State::Connected {
            self.end_drains_without_server();
        }
    }

    /// Takes a message that the present server knows nothing of, and corrects
    /// what that has been told of a maximum.
    fn take_late(&mut self, now: Instant, sid: Sid, message: Message) {
        let limited = self.subscriptions.deliver_late(sid);
        self.take_message(now, sid, message);
        if let Some(limited) = limited
            && self.state == State::Connected
        {
            let max = match limited {
                Limited::Ended => None,
                Limited::At(max) => Some(max),
            };
            encode::unsubscribe(self.output.buffer(), sid.0, max);
        }
    }
}
