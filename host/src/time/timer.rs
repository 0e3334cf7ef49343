//! A timer that is kept, polled, and set again.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::time::Sleep;

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

    /// Sets it anew.
    pub(crate) fn reset(&mut self, deadline: Instant) {
        match &mut self.0 {
            Kind::System(sleep) => sleep.as_mut().reset(deadline.into()),
            Kind::Manual(manual) => manual.1 = manual.0.sleep(Some(deadline)),
        }
    }

    /// Whether its time has come and whoever it wakes was told. Costs less than a poll.
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
