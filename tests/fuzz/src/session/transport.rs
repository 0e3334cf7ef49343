//! What transports do in a world: they open, carry bytes, break and are replaced.

use std::collections::BTreeSet;
use std::time::Duration;

use super::ledger::End;
use super::link::Link;
use super::server::INBOX;
use super::world::{MAX_MESSAGE, MAX_PENDING_BYTES, World};
use crate::protocol::{Connect, Event, Session, SessionConfig, State};

/// More than this is not needed to find what goes wrong between them.
const MAX_RETIRED: usize = 3;

impl World {
    pub(super) fn open(&mut self) {
        if self.session.state() == State::Disconnected {
            self.session.handle_opened(self.now);
            self.current = Some(self.new_link());
        }
    }

    fn new_link(&mut self) -> Link {
        self.links += 1;
        Link::new(self.links)
    }

    pub(super) fn write(&mut self, link: u8, bytes: usize) {
        let honest = self.honest;
        if link == 0
            && let Some(current) = &mut self.current
        {
            current.refill(&mut self.session);
        }
        if let Some(link) = self.link(link) {
            for (sid, name) in link.write(bytes, honest) {
                self.ledger.begun(sid, name);
            }
        }
    }

    pub(super) fn read(&mut self, link: u8, bytes: usize) {
        let Some(link) = self.link(link) else { return };
        let number = link.number;
        let (bytes, sids) = link.server.read(bytes);
        link.input.extend_from_slice(&bytes);
        let before = self.ledger.delivered();
        self.take_events();
        if self.current.as_ref().is_some_and(|current| current.number == number) {
            self.read_current();
        } else {
            self.read_retired(number);
        }
        if !self.honest {
            return;
        }
        for (sid, before) in before {
            let Some(subscription) = self.ledger.subscriptions.get(&sid) else { continue };
            let came = sids.iter().filter(|it| **it == sid).count() as u64;
            let full = subscription.end == Some(End::Counted);
            assert!(full || subscription.delivered == before + came, "sid {sid} misses messages");
            if subscription.end == Some(End::Drained) {
                let mut links = self.retired.iter().chain(&self.current);
                assert!(!links.any(|link| link.server.owes(sid)), "sid {sid} ended too early");
            }
        }
    }

    fn read_current(&mut self) {
        while let Some(link) = &mut self.current {
            let more = self.session.handle_input(self.now, &mut link.input);
            self.take_events();
            match more {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => {
                    assert!(!self.honest, "{error}");
                    self.cut(0);
                }
            }
        }
    }

    fn read_retired(&mut self, number: usize) {
        let Some(nth) = self.retired.iter().position(|link| link.number == number) else { return };
        let link = &mut self.retired[nth];
        let Some(retired) = &mut link.retired else { return };
        let said_all = self.session.handle_retired_input(self.now, retired, &mut link.input);
        assert!(said_all.is_ok() || !self.honest, "{said_all:?}");
        if said_all.unwrap_or(true) {
            assert!(!self.honest || link.has_written_all(), "the farewell is cut short");
            self.cut_retired(nth);
        }
        self.take_events();
    }

    pub(super) fn cut(&mut self, link: u8) {
        if let Some(nth) = usize::from(link).checked_sub(1) {
            if nth < self.retired.len() {
                self.cut_retired(nth);
            }
            return;
        }
        let Some(link) = self.current.take() else { return };
        let (numbers, first_is_cut) = link.unwritten_messages();
        self.excused.extend(numbers.iter().take(first_is_cut.into()));
        let (unwritten, partially_written) = link.unwritten();
        self.session.handle_closed(self.now, unwritten, partially_written);
        self.published.insert(link.number, link.server.published);
        self.take_events();

        let written = self.written();
        for message in self.ledger.live_requests() {
            let sent = written.contains(&message) || self.excused.contains(&message);
            assert!(!sent, "a request that was sent waits on");
        }
        let over = self.ledger.ended_requests();
        let waiting = self
            .accepted
            .iter()
            .filter(|(number, _)| !written.contains(number) && !over.contains(number));
        let waiting: usize = waiting.map(|(_, size)| *size).sum();
        let bound = 2 * MAX_PENDING_BYTES + MAX_MESSAGE;
        assert!(waiting <= bound || !self.retired.is_empty(), "{waiting} bytes are kept");
    }

    fn cut_retired(&mut self, nth: usize) {
        let mut link = self.retired.remove(nth);
        self.excused.extend(link.unwritten_messages().0);
        if let Some(retired) = link.retired.take() {
            self.session.handle_retired_closed(retired);
        }
        self.published.insert(link.number, link.server.published);
    }

    /// Messages that a server has or may have had.
    pub(super) fn written(&self) -> BTreeSet<u64> {
        let links = self.retired.iter().chain(&self.current);
        let servers = links.map(|link| &link.server.published).chain(self.published.values());
        servers.flatten().chain(&self.excused).copied().collect()
    }

    pub(super) fn move_on(&mut self) {
        let connected = self.session.state() == State::Connected;
        let Some(mut old) = self.current.take_if(|_| connected && self.retired.len() < MAX_RETIRED)
        else {
            return;
        };
        let mut candidate = new_session();
        let mut link = self.new_link();
        candidate.handle_opened(self.now);
        while candidate.state() != State::Connected {
            link.input.extend_from_slice(&link.server.read(usize::MAX).0);
            let result = candidate.handle_input(self.now, &mut link.input);
            assert!(result.is_ok(), "{result:?}");
            candidate.authenticate(self.now, &Connect::new("me"));
            link.refill(&mut candidate);
            link.write(usize::MAX, true);
        }
        let mut farewell = Vec::new();
        let mut retired = self.session.handle_replaced(self.now, candidate, &mut farewell);
        farewell.append(&mut retired.take_farewell());
        old.retire(retired, &farewell);
        self.retired.push(old);
        self.current = Some(link);
    }

    pub(super) fn take_events(&mut self) {
        while let Some(event) = self.session.poll_event() {
            self.ledger.take(&event, self.honest);
            match event {
                Event::Info(_) => self.session.authenticate(self.now, &Connect::new("me")),
                Event::Stale => self.stale = true,
                _ => {}
            }
        }
    }
}

pub(super) fn new_session() -> Session {
    Session::new(SessionConfig {
        inbox_prefix: INBOX.to_owned(),
        ping_interval: Duration::from_secs(60),
        max_pings_out: 2,
        max_pending_bytes: MAX_PENDING_BYTES,
        max_pending_messages: 8,
    })
}
