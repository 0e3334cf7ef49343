//! What waits for a server, and what of it is still worth sending.

use super::commands::check_body;
use super::{Drain, Session, State, request_at};
use crate::protocol::{EndReason, Event, RequestError};

impl Session {
    /// There is no server: what is being drained has come, but for what servers
    /// that were replaced may still bring.
    pub(super) fn end_drains_without_server(&mut self) {
        if self.standing.is_any() {
            self.standing.owe_ends(self.subscriptions.draining());
            return;
        }
        let drained = self.subscriptions.remove_draining();
        self.end_subscriptions(drained, &EndReason::Drained);
        // With nothing to send, waiting for a server would add nothing to a drain.
        if self.drain == Drain::UnderWay && self.output.len() == 0 {
            self.drain = Drain::Done;
            self.events.push_back(Event::Drained);
        }
    }

    /// A request has ended. If its message still waits for a server, nobody wants
    /// it sent any more.
    pub(super) fn abandon_request(&mut self) {
        if self.state == State::Connected || self.output.waiting_messages() == 0 {
            return;
        }
        self.abandoned += 1;
        // Not each time, since it takes as long as much waits.
        if self.abandoned.saturating_mul(4) >= self.output.waiting_messages() {
            self.drop_abandoned();
            self.end_drains_without_server();
        }
    }

    /// Takes the messages of requests that have ended out of what waits.
    pub(super) fn drop_abandoned(&mut self) {
        self.abandoned = 0;
        let (requests, prefix) = (&self.requests, self.config.inbox_prefix.as_str());
        self.output.retain_messages(|message| {
            let request = message.reply_to.and_then(|reply| request_at(prefix, reply.as_bytes()));
            request.is_none_or(|id| !requests.has_ended(id))
        });
    }

    /// Takes out of what waits the messages that this server can't take: it would
    /// hang up at the first of them, as often as it got it.
    pub(super) fn refuse_unfit(&mut self) {
        let (info, prefix) = (self.info.as_deref(), self.config.inbox_prefix.as_str());
        let mut refused = Vec::new();
        self.output.retain_messages(|message| {
            match check_body(info, message.size, message.has_headers) {
                Ok(()) => true,
                Err(error) => {
                    let reply_to = message.reply_to.map(str::as_bytes);
                    let request = reply_to.and_then(|reply| request_at(prefix, reply));
                    refused.push((message.subject.to_owned(), request, error));
                    false
                }
            }
        });
        for (subject, request, error) in refused {
            self.events.push_back(match request.filter(|&id| self.requests.cancel(id)) {
                Some(id) => {
                    Event::Reply { id, answer: Err(RequestError::NotSent(error)), last: true }
                }
                None => Event::PublishRefused { subject, text: error.to_string() },
            });
        }
    }
}
