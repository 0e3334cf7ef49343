//! Wakes a connection's task at the session's next deadline.

use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use tokio::task::coop;

use super::shared::{Interruption, Shared, State};
use crate::time::{self, Timer};

pub(super) struct Clock {
    timer: Timer,
    armed: Option<Instant>,
    /// Whom the timer wakes, as it is set now.
    wakes: Option<Waker>,
}

impl Clock {
    pub(super) fn new() -> Self {
        Self { timer: Timer::new(Duration::ZERO), armed: None, wakes: None }
    }

    /// Does what is due and hands out what comes of it; the task is woken at the
    /// next deadline.
    #[inline]
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        state: &mut State,
        shared: &Shared,
    ) -> Result<(), Interruption> {
        shared.deliver(state)?;
        if self.is_set(cx, state.session.poll_timeout()) {
            return Ok(());
        }
        self.set(cx, state, shared)
    }

    /// Whether the task will be woken at this time or before, and is not due now: asked
    /// with each message, mostly with nothing changed.
    fn is_set(&self, cx: &Context<'_>, deadline: Option<Instant>) -> bool {
        let (Some(at), Some(armed), Some(wakes)) = (deadline, self.armed, &self.wakes) else {
            return false;
        };
        // Put off, it may as well ring in vain once: each message puts it off.
        armed <= at && wakes.will_wake(cx.waker()) && !self.timer.is_elapsed()
    }

    #[cold]
    fn set(
        &mut self,
        cx: &mut Context<'_>,
        state: &mut State,
        shared: &Shared,
    ) -> Result<(), Interruption> {
        loop {
            let deadline = state.session.poll_timeout();
            let Some(at) = deadline else {
                self.armed = None;
                return Ok(());
            };
            if self.armed.is_none_or(|armed| at < armed) {
                self.timer.reset(at);
                self.armed = deadline;
            }
            // Of a task that has used up its turn, Tokio takes no waker.
            let has_turn = coop::has_budget_remaining();
            if self.timer.poll(cx).is_pending() {
                self.wakes = has_turn.then(|| cx.waker().clone());
                return Ok(());
            }
            self.armed = None;
            state.session.handle_timeout(time::now());
            shared.deliver(state)?;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::pin::pin;
    use std::task::Poll;

    use super::super::options::ConnectionOptions;
    use super::*;
    use crate::protocol::{RequestOptions, Subject};

    #[tokio::test]
    async fn deadline_is_met_also_by_a_task_that_had_used_up_its_turn() {
        let shared = Shared::new(ConnectionOptions::new(Vec::new(), "test"));
        let options =
            RequestOptions { timeout: Duration::from_millis(20), ..RequestOptions::default() };
        let subject = Subject::new("a").unwrap();
        shared.lock().session.request(time::now(), subject, b"", b"", &options).unwrap();

        let mut clock = Clock::new();
        let met = poll_fn(|cx| {
            if clock.armed.is_none() {
                while pin!(coop::consume_budget()).poll(cx).is_ready() {}
            }
            let mut state = shared.lock();
            clock.poll(cx, &mut state, &shared).unwrap();
            match state.session.requests_in_flight() {
                0 => Poll::Ready(()),
                _ => Poll::Pending,
            }
        });
        tokio::time::timeout(Duration::from_secs(20), met).await.unwrap();
    }
}
