//! How an instance waits for what comes, timers among it.

use std::future::poll_fn;
use std::pin::pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use super::{Delivery, Inner, Mailbox};
use crate::time::{self, Timer};

/// What a wait ended with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::plugin) enum Wait {
    /// There is something to take.
    Ready,
    /// The time given has passed.
    TimedOut,
    /// The host is stopping, nothing waits and nothing is expected.
    Stopped,
}

impl Mailbox {
    /// Waits until there is something to take. Due timers count. One at a time may wait.
    pub(in crate::plugin) async fn wait(&self, timeout: Option<Duration>) -> Wait {
        let until = timeout.and_then(|timeout| time::now().checked_add(timeout));
        let mut timer = None;
        poll_fn(|cx| self.poll_wait(cx, until, &mut timer)).await
    }

    fn poll_wait(
        &self,
        cx: &mut Context<'_>,
        until: Option<Instant>,
        timer: &mut Option<Timer>,
    ) -> Poll<Wait> {
        loop {
            let deadline = {
                let mut inner = self.inner.lock();
                let due = inner.collect_timers();
                if !inner.is_idle() {
                    return Poll::Ready(Wait::Ready);
                }
                if inner.stopping && inner.requests == 0 {
                    return Poll::Ready(Wait::Stopped);
                }
                // Under the lock: what comes after this look wakes.
                self.waiter.register(cx.waker());
                [due, until].into_iter().flatten().min()
            };
            let Some(deadline) = deadline else { return Poll::Pending };
            if until.is_some_and(|until| until <= time::now()) {
                return Poll::Ready(Wait::TimedOut);
            }
            let timer = timer.get_or_insert_with(|| Timer::new(Duration::ZERO));
            timer.reset(deadline);
            ready!(timer.poll(cx));
        }
    }

    /// Waits with nothing in hand; false: there will be nothing more. Calls `rests`
    /// whenever nothing is there yet.
    pub(in crate::plugin) async fn is_awaited(&self, mut rests: impl FnMut()) -> bool {
        self.set_busy(false);
        let mut next = pin!(self.wait(None));
        let outcome = poll_fn(|cx| {
            let poll = next.as_mut().poll(cx);
            if poll.is_pending() {
                rests();
            }
            poll
        })
        .await;
        let is_awaited = outcome != Wait::Stopped;
        self.set_busy(is_awaited);
        is_awaited
    }

    /// Whether there is something to take. Due timers count.
    pub(in crate::plugin) fn has_delivery(&self) -> bool {
        let mut inner = self.inner.lock();
        inner.collect_timers();
        !inner.is_idle()
    }

    /// Nothing new is expected: waits end once everything was taken, and timers
    /// don't come any more, or one without a delay would go on for ever.
    pub(in crate::plugin) fn stop(&self) {
        self.inner.lock().stopping = true;
        self.waiter.wake();
    }

    pub(in crate::plugin) fn set_timer(&self, id: u64, delay: Duration, repeat: bool) {
        self.inner.lock().timers.set(id, time::now(), delay, repeat);
        self.waiter.wake();
    }

    pub(in crate::plugin) fn cancel_timer(&self, timer: u64) {
        let mut inner = self.inner.lock();
        inner.timers.cancel(timer);
        let waiting = inner.urgent.len();
        inner.urgent.retain(|delivery| !matches!(delivery, Delivery::Timer(id) if *id == timer));
        let cancelled = waiting - inner.urgent.len();
        inner.due_timers = inner.due_timers.saturating_sub(cancelled);
    }

    pub(in crate::plugin) fn timer_count(&self) -> usize {
        self.inner.lock().timers.len()
    }
}

impl Inner {
    /// Moves the timers that are due to the other deliveries; answers when the
    /// next one will be.
    fn collect_timers(&mut self) -> Option<Instant> {
        if self.timers.len() == 0 || self.stopping {
            return None;
        }
        let now = time::now();
        // Those that repeat come again only once all have been taken, or an instance
        // that is slower than they are would have ever more of them.
        if self.due_timers == 0 {
            while let Some(id) = self.timers.pop_due(now) {
                self.urgent.push_back(Delivery::Timer(id));
                self.due_timers += 1;
            }
        }
        self.timers.next()
    }
}
