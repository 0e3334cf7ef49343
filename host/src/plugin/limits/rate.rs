//! Rates: how much of something may happen in a second. Knows nothing of what it is
//! that happens.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::time;
use parking_lot::Mutex;

/// Counts things with a size, by number and by bytes.
#[derive(Debug)]
pub(in crate::plugin) struct Meter {
    count: Rate,
    bytes: Rate,
}

/// Which of the two was used up, and what it allows in a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::plugin) enum UsedUp {
    Count(u64),
    Bytes(u64),
}

impl Meter {
    /// `u64::MAX` is no limit.
    pub(in crate::plugin) fn new(count_per_second: u64, bytes_per_second: u64) -> Self {
        let now = time::now();
        Self { count: Rate::new(count_per_second, now), bytes: Rate::new(bytes_per_second, now) }
    }

    /// Whether there is any limit.
    pub(in crate::plugin) fn is_limited(&self) -> bool {
        self.count.per_second != u64::MAX || self.bytes.per_second != u64::MAX
    }

    /// Takes one thing of this size. It may go beyond the rate of bytes if nothing
    /// else has yet; what comes next waits longer for that.
    ///
    /// # Errors
    /// If it is too early. Nothing is taken then.
    #[inline]
    pub(in crate::plugin) fn take(&self, size: usize) -> Result<(), UsedUp> {
        if !self.count.take(1) {
            return Err(UsedUp::Count(self.count.per_second));
        }
        if !self.bytes.take(i64::try_from(size).unwrap_or(i64::MAX / 2)) {
            self.count.give_back(1);
            return Err(UsedUp::Bytes(self.bytes.per_second));
        }
        Ok(())
    }

    /// What was taken for this size was not used.
    pub(in crate::plugin) fn give_back(&self, size: usize) {
        self.count.give_back(1);
        self.bytes.give_back(i64::try_from(size).unwrap_or(i64::MAX / 2));
    }
}

/// A store that fills up with time. Taking from it reads no clock until it is empty,
/// so what it gained until then is found at once, and up to two stores full may be
/// taken in one go: each holds what half a second brings.
#[derive(Debug)]
struct Rate {
    per_second: u64,
    full: i64,
    left: AtomicI64,
    /// Up to when the store has got what time brought it.
    filled: Mutex<Instant>,
}

impl Rate {
    fn new(per_second: u64, now: Instant) -> Self {
        let full = i64::try_from(per_second / 2).unwrap_or(i64::MAX);
        let full = full.max(i64::from(per_second > 0));
        Self { per_second, full, left: AtomicI64::new(full), filled: Mutex::new(now) }
    }

    #[inline]
    fn take(&self, amount: i64) -> bool {
        if self.per_second == u64::MAX {
            return true;
        }
        if self.left.fetch_sub(amount, Ordering::Relaxed) > 0 {
            return true;
        }
        self.left.fetch_add(amount, Ordering::Relaxed);
        self.fill(time::now());
        if self.left.fetch_sub(amount, Ordering::Relaxed) > 0 {
            return true;
        }
        self.left.fetch_add(amount, Ordering::Relaxed);
        false
    }

    fn give_back(&self, amount: i64) {
        if self.per_second != u64::MAX {
            self.left.fetch_add(amount, Ordering::Relaxed);
        }
    }

    fn fill(&self, now: Instant) {
        let mut filled = self.filled.lock();
        let nanos = now.saturating_duration_since(*filled).as_nanos();
        let gain = nanos.saturating_mul(self.per_second.into()) / NANOS_PER_SECOND;
        if gain == 0 {
            return;
        }
        let gain = i64::try_from(gain).unwrap_or(i64::MAX / 2);
        let left = self.left.load(Ordering::Relaxed);
        let room = self.full.saturating_sub(left);
        if gain >= room {
            self.left.fetch_add(room, Ordering::Relaxed);
            *filled = now;
            return;
        }
        self.left.fetch_add(gain, Ordering::Relaxed);
        // Not to `now`: what is left of a whole one counts next time.
        let nanos = u128::from(gain.unsigned_abs()) * NANOS_PER_SECOND;
        let nanos = nanos.checked_div(self.per_second.into()).unwrap_or_default();
        *filled += Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
    }
}

const NANOS_PER_SECOND: u128 = 1_000_000_000;

/// Counts what was left out, to say so once in a while.
#[derive(Debug, Default)]
pub(in crate::plugin) struct Suppressed {
    count: AtomicU64,
}

impl Suppressed {
    /// One more; whether it is the first since the last report.
    pub(in crate::plugin) fn add(&self) -> bool {
        self.count.fetch_add(1, Ordering::Relaxed) == 0
    }

    /// How many there were since the last report.
    pub(in crate::plugin) fn take(&self) -> u64 {
        self.count.swap(0, Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn take_all(rate: &Rate) -> u64 {
        (0..).take_while(|_| rate.left.fetch_sub(1, Ordering::Relaxed) > 0).count() as u64
    }

    #[test]
    fn an_empty_store_refuses_until_time_has_filled_it() {
        let now = Instant::now();
        let rate = Rate::new(100, now);
        assert_eq!(take_all(&rate), 50);
        rate.left.store(0, Ordering::Relaxed);
        rate.fill(now + 5 * MS);
        assert_eq!(rate.left.load(Ordering::Relaxed), 0);
        rate.fill(now + 15 * MS);
        assert_eq!(rate.left.load(Ordering::Relaxed), 1);
        // The five milliseconds beyond the first one are not lost.
        rate.fill(now + 20 * MS);
        assert_eq!(rate.left.load(Ordering::Relaxed), 2);
        rate.fill(now + 60_000 * MS);
        assert_eq!(rate.left.load(Ordering::Relaxed), 50);
    }

    #[test]
    fn something_large_is_paid_for_by_what_follows() {
        let meter = Meter::new(u64::MAX, 1_000);
        assert_eq!(meter.take(1_000_000), Ok(()));
        assert_eq!(meter.take(1), Err(UsedUp::Bytes(1_000)));
        assert_eq!(meter.take(0), Err(UsedUp::Bytes(1_000)));
    }

    #[test]
    fn what_is_refused_for_its_bytes_is_not_counted() {
        let meter = Meter::new(10, 10);
        assert_eq!(meter.take(1_000), Ok(()));
        for _ in 0..100 {
            assert_eq!(meter.take(1), Err(UsedUp::Bytes(10)));
        }
        assert_eq!(meter.count.left.load(Ordering::Relaxed), 4);
    }

    #[test]
    fn what_is_given_back_may_be_taken_again() {
        let meter = Meter::new(4, 100);
        for _ in 0..10 {
            assert_eq!(meter.take(30), Ok(()));
            meter.give_back(30);
        }
        assert_eq!((meter.take(1), meter.take(1)), (Ok(()), Ok(())));
        assert_eq!(meter.take(1), Err(UsedUp::Count(4)));
    }

    #[test]
    fn no_limit_takes_everything() {
        let meter = Meter::new(u64::MAX, u64::MAX);
        for _ in 0..1_000 {
            assert_eq!(meter.take(usize::MAX), Ok(()));
        }
    }

    #[test]
    fn what_is_left_out_is_counted_once() {
        let suppressed = Suppressed::default();
        assert_eq!((suppressed.add(), suppressed.add()), (true, false));
        assert_eq!((suppressed.take(), suppressed.take()), (2, 0));
        assert!(suppressed.add());
    }
}
