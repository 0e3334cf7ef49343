//! When to leave bytes in the socket because a receiver is behind.
//!
//! A publisher may send for a moment faster than a guest takes, and more than a
//! mailbox holds. What is left in the socket then waits at the server. That helps
//! over bursts and over nothing else: a server hangs up on a client that lets too
//! much wait for too long, with everything that waits. So the patience with a
//! burst is bounded, and behind that bound the receiver drops and counts.
//!
//! Reading pauses for short whiles only, so that a PING is answered and a receiver
//! that stands still is noticed: for that one, no more waits.
//!
//! On a busy machine, time passes in which this thread, and the receiver on it, do
//! not run. That does not count.

use std::sync::Arc;
use std::task::Context;
use std::time::{Duration, Instant};

use super::receiver::Receiver;
use crate::time::{self, Timer};

/// A block is read at least this often. A receiver that has taken nothing in this
/// time stands still.
const PAUSE: Duration = Duration::from_millis(20);

/// How long a burst may be spread, counting the pauses since the socket was last
/// empty. Servers give up on a client after ten seconds unless told otherwise.
const BURST: Duration = Duration::from_secs(4);

/// How often a receiver is asked, meanwhile, whether it has caught up.
const LOOK: Duration = Duration::from_millis(1);

/// What lies between two looks counts for no more than this: as long as a guest
/// runs at a stretch.
const LONGEST_LOOK: Duration = Duration::from_millis(5);

pub(super) struct BackPressure {
    /// Few connections ever have to hold back.
    timer: Option<Timer>,
    pause: Option<Pause>,
    /// All pauses of the present burst.
    burst: Duration,
    /// What the receiver had handled when it was found standing still.
    stalled_at: Option<u64>,
}

struct Pause {
    receiver: Arc<dyn Receiver>,
    /// What the receiver had handled when it began.
    handled: u64,
    length: Duration,
    looked: Instant,
}

impl BackPressure {
    pub(super) fn new() -> Self {
        Self { timer: None, pause: None, burst: Duration::ZERO, stalled_at: None }
    }

    /// The socket was read empty: nothing waits at the server.
    pub(super) fn caught_up(&mut self) {
        self.burst = Duration::ZERO;
    }

    /// A receiver has more than it should: begins a pause, unless there have been
    /// enough of them.
    pub(super) fn behind(&mut self, now: Instant, receiver: Arc<dyn Receiver>) {
        let handled = receiver.backlog().handled;
        if self.burst < BURST && self.stalled_at != Some(handled) {
            self.stalled_at = None;
            self.pause = Some(Pause { receiver, handled, length: Duration::ZERO, looked: now });
        }
    }

    /// Whether to read nothing for now; then the task is woken to ask again.
    pub(super) fn holds(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(pause) = &mut self.pause else { return false };
        let now = time::now();
        let passed = now.saturating_duration_since(pause.looked).min(LONGEST_LOOK);
        pause.looked = now;
        pause.length += passed;
        self.burst += passed;
        let backlog = pause.receiver.backlog();
        if !backlog.is_high {
            self.pause = None;
            return false;
        }
        if pause.length >= PAUSE {
            if backlog.handled == pause.handled {
                self.stalled_at = Some(backlog.handled);
            }
            self.pause = None;
            return false;
        }
        let timer = self.timer.get_or_insert_with(|| Timer::new(LOOK));
        timer.reset(now + LOOK);
        if timer.poll(cx).is_ready() {
            cx.waker().wake_by_ref();
        }
        true
    }
}
