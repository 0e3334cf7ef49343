//! A timer that is kept, polled, and set again.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::time::Sleep;

use super::keeper;
use super::manual::{ManualClock, ManualSleep};

/// Becomes ready at a time that can be changed. It goes by the clock that was in
/// effect when it was made.
pub(crate) struct Timer(Kind);

enum Kind {
    System(Pin<Box<Sleep>>),
    /// Boxed, since only tests have it, and each connection and call has room for timers.
    Manual(Box<(ManualClock, ManualSleep)>),
}

impl Timer {
    /// Ready after this long.
    pub(crate) fn new(after: Duration) -> Self {
        Self(match ManualClock::in_effect() {
            None => Kind::System(Box::pin(tokio::time::sleep(after))),
            Some(clock) => {
                let sleep = clock.sleep(clock.now().checked_add(after));
                Kind::Manual(Box::new((clock, sleep)))
            }
        })
    }

    /// The same, on another thread: for one that is set for long and seldom rings.
    pub(crate) fn apart(after: Duration) -> Self {
        let _keeper = ManualClock::in_effect().is_none().then(keeper::enter);
        Self::new(after)
    }

    /// Sets it anew.
    pub(crate) fn reset(&mut self, deadline: Instant) {
        match &mut self.0 {
            Kind::System(sleep) => sleep.as_mut().reset(deadline.into()),
            Kind::Manual(manual) => manual.1 = manual.0.sleep(Some(deadline)),
        }
    }

    /// Whether its time has come and whoever it wakes is told. Costs less than a poll.
    pub(crate) fn is_elapsed(&self) -> bool {
        match &self.0 {
            Kind::System(sleep) => sleep.is_elapsed(),
            Kind::Manual(manual) => manual.1.is_elapsed(),
        }
    }

    /// Whether its time has come; else the task is woken then.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match &mut self.0 {
            Kind::System(sleep) => sleep.as_mut().poll(cx),
            Kind::Manual(manual) => Pin::new(&mut manual.1).poll(cx),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    #[test]
    fn timer_apart_rings_in_a_runtime_that_keeps_no_time() {
        const SOON: Duration = Duration::from_millis(20);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let mut timer = Timer::apart(Duration::from_secs(3_600));
        let begin = Instant::now();
        let mut polls = 0;
        runtime.block_on(poll_fn(|cx| {
            polls += 1;
            if polls == 2 {
                timer.reset(begin + SOON);
            }
            let poll = timer.poll(cx);
            if polls == 1 {
                cx.waker().wake_by_ref();
            }
            poll
        }));
        assert!((SOON..Duration::from_secs(3_600)).contains(&begin.elapsed()));
        assert!(timer.is_elapsed());
    }
}
