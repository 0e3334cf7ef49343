//! A clock that somebody moves.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

thread_local! {
    static IN_EFFECT: RefCell<Option<ManualClock>> = const { RefCell::new(None) };
}

/// Stands still until it is moved. Cheap to clone; all clones are the same clock.
#[derive(Clone)]
pub(crate) struct ManualClock(Arc<Mutex<Times>>);

struct Times {
    now: Instant,
    begin: Instant,
    /// What people called the begin, as the time since 1970.
    begin_since_1970: Duration,
    /// Those who wait, by when and in the order in which they came.
    waiting: BTreeMap<(Instant, u64), Waker>,
    last_number: u64,
}

impl ManualClock {
    /// It begins at a time that people count from 1970.
    pub(crate) fn new(since_1970: Duration) -> Self {
        let now = Instant::now();
        Self(Arc::new(Mutex::new(Times {
            now,
            begin: now,
            begin_since_1970: since_1970,
            waiting: BTreeMap::new(),
            last_number: 0,
        })))
    }

    /// The one that this thread goes by now.
    pub(super) fn in_effect() -> Option<Self> {
        IN_EFFECT.with_borrow(Clone::clone)
    }

    /// This thread goes by it until the answer is dropped.
    pub(crate) fn enter(&self) -> InEffect {
        InEffect { before: IN_EFFECT.replace(Some(self.clone())) }
    }

    pub(crate) fn now(&self) -> Instant {
        self.0.lock().now
    }

    pub(super) fn since_1970(&self) -> Duration {
        let times = self.0.lock();
        times.begin_since_1970 + times.now.duration_since(times.begin)
    }

    /// When the next one who waits is to be woken.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.0.lock().waiting.keys().next().map(|(deadline, _)| *deadline)
    }

    /// Moves it on, and wakes those whose time has come. It does not go back.
    pub(crate) fn move_to(&self, now: Instant) {
        let due = {
            let mut times = self.0.lock();
            times.now = times.now.max(now);
            let after = (times.now, u64::MAX);
            let later = times.waiting.split_off(&after);
            std::mem::replace(&mut times.waiting, later)
        };
        for waker in due.into_values() {
            waker.wake();
        }
    }

    /// Ready at this time; never, if there is none.
    pub(super) fn sleep(&self, deadline: Option<Instant>) -> ManualSleep {
        ManualSleep { clock: self.clone(), deadline, key: None }
    }
}

/// While it lives, its thread goes by a manual clock.
#[must_use]
pub(crate) struct InEffect {
    before: Option<ManualClock>,
}

impl Drop for InEffect {
    fn drop(&mut self) {
        IN_EFFECT.replace(self.before.take());
    }
}

/// Waits for a manual clock.
pub(super) struct ManualSleep {
    clock: ManualClock,
    deadline: Option<Instant>,
    /// Its place among those who wait.
    key: Option<(Instant, u64)>,
}

impl ManualSleep {
    pub(super) fn is_elapsed(&self) -> bool {
        self.deadline.is_some_and(|deadline| deadline <= self.clock.now())
    }
}

impl Future for ManualSleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Some(deadline) = self.deadline else { return Poll::Pending };
        let clock = self.clock.clone();
        let mut times = clock.0.lock();
        if deadline <= times.now {
            return Poll::Ready(());
        }
        let key = *self.key.get_or_insert_with(|| {
            times.last_number += 1;
            (deadline, times.last_number)
        });
        times.waiting.insert(key, cx.waker().clone());
        Poll::Pending
    }
}

impl Drop for ManualSleep {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            self.clock.0.lock().waiting.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Elapsed, now, sleep, timeout};
    use super::*;

    fn block_on<T>(work: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(work)
    }

    const HOUR: Duration = Duration::from_secs(3_600);

    #[test]
    fn sleepers_wake_when_the_clock_is_moved_and_not_before() {
        let clock = ManualClock::new(Duration::ZERO);
        let _in_effect = clock.enter();
        let begin = now();
        block_on(async {
            let sleeper = tokio::spawn(async {
                sleep(HOUR).await;
                now()
            });
            tokio::task::yield_now().await;
            assert_eq!(clock.next_deadline(), Some(begin + HOUR));
            clock.move_to(begin + HOUR - Duration::from_nanos(1));
            tokio::task::yield_now().await;
            assert!(!sleeper.is_finished());
            clock.move_to(begin + HOUR);
            assert_eq!(sleeper.await.unwrap(), begin + HOUR);
        });
        assert_eq!(clock.since_1970(), HOUR);
    }

    #[test]
    fn time_outs_go_by_it_and_leave_nothing_behind() {
        let clock = ManualClock::new(Duration::ZERO);
        let _in_effect = clock.enter();
        let begin = now();
        block_on(async {
            let task = tokio::spawn(timeout(HOUR, std::future::pending::<()>()));
            tokio::task::yield_now().await;
            clock.move_to(begin + HOUR);
            assert_eq!(task.await.unwrap(), Err(Elapsed));
            assert_eq!(timeout(HOUR, async { 1 }).await, Ok(1));
        });
        assert_eq!(clock.next_deadline(), None);
    }

    #[test]
    fn other_threads_and_later_times_go_by_the_system() {
        let clock = ManualClock::new(Duration::ZERO);
        let in_effect = clock.enter();
        let still = now();
        let elsewhere = std::thread::spawn(|| ManualClock::in_effect().is_none());
        assert!(elsewhere.join().unwrap());
        assert_eq!(now(), still);
        drop(in_effect);
        assert!(ManualClock::in_effect().is_none());
    }
}
