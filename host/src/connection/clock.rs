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
        Self { timer: Timer::apart(Duration::ZERO), armed: None, wakes: None }
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
                (self.armed, state.rings_at) = (None, None);
                return Ok(());
            };
            if self.armed.is_none_or(|armed| at < armed) {
                self.timer.reset(at);
                self.armed = deadline;
            }
            state.rings_at = self.armed;
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

    /// Less than those who wait for it have patience.
    const SOON: Duration = Duration::from_millis(20);
    const LATER: Duration = Duration::from_secs(3_600);

    fn request(shared: &Shared, timeout: Duration) {
        let options = RequestOptions { timeout, ..RequestOptions::default() };
        let subject = Subject::new("a").unwrap();
        shared.lock().session.request(time::now(), subject, b"", b"", &options).unwrap();
    }

    /// A connection without a server, and its clock, which was not polled yet.
    fn with_a_request(timeout: Duration) -> (Shared, Clock) {
        let shared = Shared::new(ConnectionOptions::new(Vec::new(), "test"));
        request(&shared, timeout);
        (shared, Clock::new())
    }

    fn poll(clock: &mut Clock, cx: &mut Context<'_>, shared: &Shared) {
        clock.poll(cx, &mut shared.lock(), shared).unwrap();
    }

    /// Waits until the deadlines of all requests but so many have passed, and is told of
    /// it by the clock: its own patience, which also polls, ends in a failure.
    async fn wait_for_all_but(left: usize, clock: &mut Clock, shared: &Shared) {
        let begin = Instant::now();
        let met = poll_fn(|cx| {
            poll(clock, cx, shared);
            match shared.lock().session.requests_in_flight() <= left {
                true => Poll::Ready(()),
                false => Poll::Pending,
            }
        });
        let patience = Duration::from_secs(20);
        assert!(tokio::time::timeout(patience, met).await.is_ok());
        assert!(begin.elapsed() < patience);
    }

    #[tokio::test]
    async fn deadline_is_met_also_by_a_task_that_had_used_up_its_turn() {
        let (shared, mut clock) = with_a_request(SOON);
        let mut polls = 0;
        poll_fn(|cx| {
            while polls == 0 && pin!(coop::consume_budget()).poll(cx).is_ready() {}
            polls += 1;
            poll(&mut clock, cx, &shared);
            if polls < 2 { Poll::Pending } else { Poll::Ready(()) }
        })
        .await;
        wait_for_all_but(0, &mut clock, &shared).await;
    }

    #[tokio::test]
    async fn earlier_deadline_is_met_behind_a_later_one() {
        let (shared, mut clock) = with_a_request(LATER);
        poll_fn(|cx| {
            poll(&mut clock, cx, &shared);
            Poll::Ready(())
        })
        .await;
        request(&shared, SOON);
        wait_for_all_but(1, &mut clock, &shared).await;
    }

    #[tokio::test]
    async fn deadline_is_met_by_the_next_clock_if_the_first_one_is_gone() {
        let (shared, mut clock) = with_a_request(SOON);
        poll(&mut clock, &mut Context::from_waker(Waker::noop()), &shared);
        drop(clock);
        wait_for_all_but(0, &mut Clock::new(), &shared).await;
    }

    #[tokio::test]
    async fn driver_is_needed_for_no_deadline_but_an_earlier_one() {
        let (shared, mut clock) = with_a_request(LATER);
        let is_needed = || shared.lock().is_due_early();
        assert!(is_needed());
        poll(&mut clock, &mut Context::from_waker(Waker::noop()), &shared);
        request(&shared, LATER);
        assert!(!is_needed());
        request(&shared, SOON);
        assert!(is_needed());
    }

    #[tokio::test]
    async fn deadline_is_met_by_the_task_that_asked_last() {
        let (shared, mut clock) = with_a_request(SOON);
        poll(&mut clock, &mut Context::from_waker(Waker::noop()), &shared);
        wait_for_all_but(0, &mut clock, &shared).await;
    }
}
