//! PINGs under way: the server answers them in the order in which they were
//! written, and that is all that tells one PONG from another.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::{PingId, SessionError, Sid};

/// More than a server leaves unanswered that means to answer; a few megabytes.
const MAX_WAITING: usize = 65_536;

/// The PINGs that wait for their PONG, and when the next one is due.
#[derive(Debug)]
pub(super) struct Pings {
    interval: Duration,
    max_unanswered: u32,
    waiting: VecDeque<Ping>,
    last_id: u64,
    /// When to look whether the server still lives.
    keep_alive: Option<Instant>,
    /// How often it was asked since it last said anything.
    unanswered: u32,
}

/// A PING under way.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ping {
    pub(super) purpose: Purpose,
    pub(super) sent: Instant,
}

/// What the PONG means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// The server has accepted CONNECT.
    Handshake,
    /// The server lives.
    KeepAlive,
    /// Everything before it has reached the server.
    Flush(PingId),
    /// What is being drained has come.
    End(End),
}

/// Whose messages have all come, as far as one server is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// Those of one subscription.
    Subscription(Sid),
    /// Those of all.
    All,
}

/// What silence calls for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Due {
    Nothing,
    Ping,
    GiveUp,
}

impl Pings {
    /// An interval of zero never looks whether the server lives.
    pub(super) fn new(interval: Duration, max_unanswered: u32) -> Self {
        Self {
            interval,
            max_unanswered,
            waiting: VecDeque::new(),
            last_id: 0,
            keep_alive: None,
            unanswered: 0,
        }
    }

    pub(super) fn next_id(&mut self) -> PingId {
        self.last_id += 1;
        PingId(self.last_id)
    }

    /// Whether one more may be sent: a server that reads everything and answers no
    /// PING must not make them pile up.
    pub(super) fn check_room(&self) -> Result<(), SessionError> {
        if self.waiting.len() < MAX_WAITING {
            return Ok(());
        }
        Err(SessionError::TooManyPings { limit: MAX_WAITING })
    }

    /// A PING was written.
    pub(super) fn sent(&mut self, now: Instant, purpose: Purpose) {
        self.waiting.push_back(Ping { purpose, sent: now });
    }

    /// A PONG came: which PING it answers.
    pub(super) fn answered(&mut self) -> Option<Ping> {
        self.waiting.pop_front()
    }

    /// From now on the server must be heard of.
    pub(super) fn start(&mut self, now: Instant) {
        self.unanswered = 0;
        self.keep_alive =
            if self.interval.is_zero() { None } else { now.checked_add(self.interval) };
    }

    /// The connection is gone: the PINGs that nothing answers any more.
    pub(super) fn stop(&mut self) -> VecDeque<Ping> {
        self.keep_alive = None;
        std::mem::take(&mut self.waiting)
    }

    /// Anything came from the server.
    pub(super) fn heard(&mut self, now: Instant) {
        if self.keep_alive.is_some() {
            self.start(now);
        }
    }

    pub(super) fn due(&mut self, now: Instant) -> Due {
        if self.keep_alive.is_none_or(|at| at > now) {
            return Due::Nothing;
        }
        if self.unanswered >= self.max_unanswered {
            self.keep_alive = None;
            return Due::GiveUp;
        }
        self.unanswered += 1;
        self.keep_alive = now.checked_add(self.interval);
        Due::Ping
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.keep_alive
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_secs(10);

    #[test]
    fn silence_is_asked_about_and_then_given_up_on_once() {
        let start = Instant::now();
        let mut pings = Pings::new(INTERVAL, 2);
        assert_eq!(pings.next_deadline(), None);
        pings.start(start);
        assert_eq!(pings.due(start), Due::Nothing);
        assert_eq!(pings.due(start + INTERVAL), Due::Ping);
        assert_eq!(pings.due(start + INTERVAL), Due::Nothing);
        assert_eq!(pings.due(start + INTERVAL * 2), Due::Ping);
        assert_eq!(pings.due(start + INTERVAL * 3), Due::GiveUp);
        assert_eq!(pings.due(start + INTERVAL * 4), Due::Nothing);
    }

    #[test]
    fn anything_heard_is_an_answer() {
        let start = Instant::now();
        let mut pings = Pings::new(INTERVAL, 1);
        pings.start(start);
        assert_eq!(pings.due(start + INTERVAL), Due::Ping);
        pings.heard(start + INTERVAL);
        assert_eq!(pings.next_deadline(), Some(start + INTERVAL * 2));
        assert_eq!(pings.due(start + INTERVAL * 2), Due::Ping);
    }

    #[test]
    fn an_interval_of_zero_never_asks() {
        let mut pings = Pings::new(Duration::ZERO, 2);
        pings.start(Instant::now());
        assert_eq!(pings.next_deadline(), None);
    }
}
