//! Moving to another server while the present one still serves, as when it has
//! said that it is about to shut down.

use std::collections::VecDeque;
use std::time::Instant;

use bytes::BytesMut;

use super::{Session, State};
use crate::protocol::pings::Ping;
use crate::protocol::{DecodeError, Decoder, Event, ServerOp, Sid, encode};

/// What is left of a transport that another one has replaced: it still brings
/// what its server had sent.
#[derive(Debug)]
pub struct Retired {
    decoder: Decoder,
    /// Those that only the old server can answer, without the farewell.
    pings: VecDeque<Ping>,
}

impl Session {
    /// Goes on with the server over whose transport `accepted` has got through the
    /// handshake. What is still to be written to the old server, the end of its
    /// subscriptions last, goes into `farewell`; subscriptions and what is
    /// published from now on go to the new one.
    ///
    /// While both have the subscriptions, a message that is not for a queue group
    /// may come from both: at this moment one too many is better than one missed.
    pub fn handle_replaced(
        &mut self,
        now: Instant,
        accepted: Self,
        farewell: &mut Vec<u8>,
    ) -> Retired {
        self.output.take(farewell);
        for sid in self.subscriptions.sids().into_iter().chain(self.inbox) {
            encode::unsubscribe(farewell, sid.0, None);
        }
        encode::ping(farewell);
        let retired = Retired {
            decoder: std::mem::replace(&mut self.decoder, accepted.decoder),
            pings: self.pings.stop(),
        };
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
                ServerOp::Message { sid, message } => self.take_message(now, Sid(sid), message),
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
        self.lose_pings(retired.pings);
        // Only those that were ending before the move have no new server.
        if self.state == State::Connected {
            let drained = self.subscriptions.remove_draining();
            self.end_subscriptions(drained, &crate::protocol::EndReason::Drained);
        }
    }
}
