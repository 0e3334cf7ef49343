//! Wakes a connection's task at the session's next deadline.

use std::task::Context;
use std::time::{Duration, Instant};

use super::shared::{Interruption, Shared, State};
use crate::time::{self, Timer};

pub(super) struct Clock {
    timer: Timer,
    armed: Option<Instant>,
}

impl Clock {
    pub(super) fn new() -> Self {
        Self { timer: Timer::new(Duration::ZERO), armed: None }
    }

    /// Does what is due and hands out what comes of it; the task is woken at the
    /// next deadline.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        state: &mut State,
        shared: &Shared,
    ) -> Result<(), Interruption> {
        shared.deliver(state)?;
        loop {
            let deadline = state.session.poll_timeout();
            let Some(at) = deadline else {
                self.armed = None;
                return Ok(());
            };
            // Put off, it may as well ring in vain once: each message puts it off.
            if self.armed.is_none_or(|armed| at < armed) {
                self.timer.reset(at);
                self.armed = deadline;
            }
            if self.timer.poll(cx).is_pending() {
                return Ok(());
            }
            self.armed = None;
            state.session.handle_timeout(time::now());
            shared.deliver(state)?;
        }
    }
}
