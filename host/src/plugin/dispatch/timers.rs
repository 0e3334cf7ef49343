//! The timers of one instance, in order of their time.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

/// The longest delay; longer ones are cut. Time can't be added without bound.
const MAX_DELAY: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

#[derive(Default)]
pub(in crate::plugin) struct Timers {
    queue: BTreeMap<(Instant, u64), Option<Duration>>,
    times: HashMap<u64, Instant>,
}

impl Timers {
    pub(in crate::plugin) fn set(&mut self, id: u64, now: Instant, delay: Duration, repeat: bool) {
        let delay = delay.min(MAX_DELAY);
        let period = repeat.then_some(delay.max(Duration::from_millis(1)));
        let at = now + period.unwrap_or(delay);
        self.times.insert(id, at);
        self.queue.insert((at, id), period);
    }

    pub(in crate::plugin) fn cancel(&mut self, id: u64) {
        if let Some(at) = self.times.remove(&id) {
            self.queue.remove(&(at, id));
        }
    }

    /// Takes a timer whose time has come. One that repeats is set to its next
    /// time after `now`: those missed are not made up for.
    pub(in crate::plugin) fn pop_due(&mut self, now: Instant) -> Option<u64> {
        let entry = self.queue.first_entry().filter(|entry| entry.key().0 <= now)?;
        let ((at, id), period) = entry.remove_entry();
        match period {
            None => {
                self.times.remove(&id);
            }
            Some(period) => {
                let next = (at + period).max(now + Duration::from_nanos(1));
                self.times.insert(id, next);
                self.queue.insert((next, id), Some(period));
            }
        }
        Some(id)
    }

    pub(in crate::plugin) fn next(&self) -> Option<Instant> {
        self.queue.first_key_value().map(|((at, _), _)| *at)
    }

    pub(in crate::plugin) fn len(&self) -> usize {
        self.times.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn timers_come_in_order_of_their_time() {
        let (mut timers, now) = (Timers::default(), Instant::now());
        timers.set(1, now, 20 * MS, false);
        timers.set(2, now, 10 * MS, false);
        assert_eq!(timers.pop_due(now), None);
        assert_eq!(timers.pop_due(now + 30 * MS), Some(2));
        assert_eq!(timers.pop_due(now + 30 * MS), Some(1));
        assert_eq!(timers.len(), 0);
    }

    #[test]
    fn repeated_timer_is_late_once_not_many_times() {
        let (mut timers, now) = (Timers::default(), Instant::now());
        timers.set(1, now, 10 * MS, true);
        let late = now + 105 * MS;
        assert_eq!(timers.pop_due(late), Some(1));
        assert_eq!(timers.pop_due(late), None);
        timers.cancel(1);
        assert_eq!(timers.next(), None);
    }

    #[test]
    fn endless_delay_is_cut() {
        let (mut timers, now) = (Timers::default(), Instant::now());
        timers.set(1, now, Duration::from_millis(u64::MAX), true);
        assert_eq!(timers.pop_due(now), None);
        assert!(timers.next().is_some());
    }
}
