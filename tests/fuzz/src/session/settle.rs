//! What must hold after every step, and when nothing is left to happen.

use super::server::Server;
use super::world::{MAX_PENDING_BYTES, World};
use crate::protocol::State;

/// More rounds than two sides need to say what they have to say.
const ROUNDS: usize = 20;

impl World {
    pub(super) fn check(&mut self) {
        if std::mem::take(&mut self.stale) {
            self.cut(0);
        }
        assert!(!self.session.has_events());
        let waiting = self.session.output_len();
        let bound = 5 * MAX_PENDING_BYTES + 40 * self.ledger.subscriptions.len();
        assert!(waiting <= bound, "{waiting} bytes wait");
        assert_eq!(self.session.subscription_count(), self.ledger.live_subscriptions());
        assert_eq!(self.session.requests_in_flight(), self.ledger.live_requests().len());
        for sid in self.ledger.drained_subscriptions().filter(|_| self.honest) {
            let mut links = self.retired.iter();
            assert!(!links.any(|link| link.server.owes(sid)), "sid {sid} ended too early");
        }
        let state = self.session.state();
        assert!(state == State::Closed || (state == State::Disconnected) == self.current.is_none());
    }

    /// Lets both sides say all they have to say, then ends everything.
    pub(super) fn end(mut self) {
        if self.honest && self.session.state() != State::Closed {
            self.settle();
        }
        self.pass(1_000);
        self.take_events();
        self.check();
        assert_eq!(self.session.requests_in_flight(), 0, "requests outlive their time");
        self.session.close();
        self.cut(0);
        while !self.retired.is_empty() {
            self.cut(1);
        }
        self.take_events();
        self.check();
        assert_eq!(self.ledger.live_subscriptions(), 0);
        assert_eq!(self.ledger.pings_under_way(), 0);
        assert_eq!(self.session.poll_timeout(), None);
        assert_eq!(self.session.output_len(), 0);
        let published: Vec<u64> = self.published.into_values().flatten().collect();
        assert!(published.is_sorted_by(|one, next| one < next), "out of order: {published:?}");
    }

    /// Nothing is lost between sides that keep to the protocol, and in the end
    /// both know the same.
    fn settle(&mut self) {
        self.open();
        for _ in 0..ROUNDS {
            for link in (0..=self.retired.len() as u8).rev() {
                self.write(link, usize::MAX);
                self.read(link, usize::MAX);
                self.take_events();
            }
        }
        assert!(self.retired.is_empty(), "a replaced server has more to say");
        assert_eq!(self.session.state(), State::Connected);
        assert_eq!(self.session.output_len(), 0);
        assert_eq!(self.ledger.pings_under_way(), 0);
        let server = self.current.as_ref().map(|link| &link.server);
        assert!(server.is_some_and(Server::has_said_all));
        let known = server.map(Server::remaining);
        assert_eq!(known, Some(self.ledger.remaining()), "server and client disagree");
        let written = self.written();
        let ended = self.ledger.ended_requests();
        for number in self.accepted.keys() {
            let wanted = !ended.contains(number);
            assert!(written.contains(number) || !wanted, "message {number} is lost");
        }
    }
}
