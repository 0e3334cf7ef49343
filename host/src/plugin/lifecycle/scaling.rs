//! How many instances of a plugin serve: a fixed number, or as many as the work
//! needs. Decides and does nothing; time and measurements come as arguments.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, Instant};

use thiserror::Error;

/// How many instances of a plugin serve at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InstanceCount {
    min: usize,
    max: usize,
}

/// Not a number of instances.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "{0:?} is not a number of instances: give one from 1 to {max}, `auto`, or bounds such as `2..8`",
    max = InstanceCount::LARGEST
)]
pub struct InstanceCountError(String);

impl InstanceCount {
    /// No plugin has more instances than this.
    pub const LARGEST: usize = 1024;

    /// What `auto` means: between 1 and 8.
    pub const AUTO: Self = Self { min: 1, max: 8 };

    /// Always so many; none if that is not between 1 and
    /// [`LARGEST`](Self::LARGEST).
    pub fn fixed(count: usize) -> Option<Self> {
        Self::between(count, count)
    }

    /// As many as the work needs within these bounds; none if they are not in
    /// order, or not between 1 and [`LARGEST`](Self::LARGEST).
    pub fn between(min: usize, max: usize) -> Option<Self> {
        let valid = 1 <= min && min <= max && max <= Self::LARGEST;
        valid.then_some(Self { min, max })
    }

    /// How many there are to begin with, and never fewer.
    pub fn min(self) -> usize {
        self.min
    }

    /// How many there are at most.
    pub fn max(self) -> usize {
        self.max
    }
}

impl Default for InstanceCount {
    fn default() -> Self {
        Self { min: 1, max: 1 }
    }
}

impl fmt::Display for InstanceCount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.min == self.max {
            write!(f, "{}", self.min)
        } else {
            write!(f, "{}..{}", self.min, self.max)
        }
    }
}

impl FromStr for InstanceCount {
    type Err = InstanceCountError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let number = |text: &str| text.parse().ok();
        let count = match (text, text.split_once("..")) {
            ("auto", _) => Some(Self::AUTO),
            (_, Some((min, max))) => {
                number(min).zip(number(max)).and_then(|(min, max)| Self::between(min, max))
            }
            (_, None) => number(text).and_then(Self::fixed),
        };
        count.ok_or_else(|| InstanceCountError(text.to_owned()))
    }
}

/// How often a [`Sample`] is to be taken.
pub(in crate::plugin) const INTERVAL: Duration = Duration::from_millis(100);

/// So many samples in a row in which every instance is behind call for another.
const PATIENCE: u32 = 3;

/// After a change, its effect is waited for.
const PAUSE: Duration = Duration::from_millis(500);

const PAUSE_AFTER_FAILURE: Duration = Duration::from_secs(10);

/// An instance is given up when so many samples say that the others suffice.
const IDLE_SAMPLES: u32 = 100;

/// Instances at work, of those that would be left, above which all are kept.
const FULL: f64 = 0.7;

/// What one look at a plugin shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::plugin) struct Sample {
    pub(in crate::plugin) instances: usize,
    /// Those that were at work just then.
    pub(in crate::plugin) busy: usize,
    /// Each has more waiting than it has handled since the sample before.
    pub(in crate::plugin) all_behind: bool,
}

/// One instance more, or one fewer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::plugin) enum Change {
    Add,
    Remove,
}

/// Turns samples into changes.
#[derive(Debug)]
pub(in crate::plugin) struct Scaling {
    count: InstanceCount,
    paused_until: Option<Instant>,
    behind: u32,
    samples: u32,
    busy: u32,
}

impl Scaling {
    /// None if the number is fixed.
    pub(in crate::plugin) fn new(count: InstanceCount) -> Option<Self> {
        let scales = count.min < count.max;
        scales.then_some(Self { count, paused_until: None, behind: 0, samples: 0, busy: 0 })
    }

    /// A change has failed; it is not tried again soon.
    pub(in crate::plugin) fn pause(&mut self, now: Instant) {
        self.paused_until = now.checked_add(PAUSE_AFTER_FAILURE);
    }

    pub(in crate::plugin) fn observe(&mut self, now: Instant, sample: Sample) -> Option<Change> {
        if self.paused_until.is_some_and(|until| now < until) {
            return None;
        }
        self.behind = if sample.all_behind { self.behind + 1 } else { 0 };
        self.samples += 1;
        self.busy = self.busy.saturating_add(u32::try_from(sample.busy).unwrap_or(u32::MAX));
        let change = if self.behind >= PATIENCE && sample.instances < self.count.max {
            Some(Change::Add)
        } else if self.samples >= IDLE_SAMPLES {
            let left = sample.instances.saturating_sub(1);
            let at_work = f64::from(self.busy) / f64::from(self.samples);
            let suffices = at_work <= FULL * f64::from(u32::try_from(left).unwrap_or(u32::MAX));
            (self.samples, self.busy) = (0, 0);
            (sample.instances > self.count.min && suffices).then_some(Change::Remove)
        } else {
            None
        };
        if change.is_some() {
            self.paused_until = now.checked_add(PAUSE);
            (self.behind, self.samples, self.busy) = (0, 0, 0);
        }
        change
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scaling(min: usize, max: usize) -> Scaling {
        Scaling::new(InstanceCount::between(min, max).unwrap()).unwrap()
    }

    /// What comes of equal samples, and after how many.
    fn outcome(scaling: &mut Scaling, begin: Instant, sample: Sample) -> Option<(Change, u32)> {
        (1..=1_000).find_map(|count| {
            let change = scaling.observe(begin + INTERVAL * count, sample)?;
            Some((change, count))
        })
    }

    #[test]
    fn text_gives_a_number_or_bounds() {
        let parse = |text: &str| text.parse::<InstanceCount>();
        assert_eq!(parse("4"), Ok(InstanceCount { min: 4, max: 4 }));
        assert_eq!(parse("2..8"), Ok(InstanceCount { min: 2, max: 8 }));
        assert_eq!(parse("auto"), Ok(InstanceCount::AUTO));
        for wrong in ["0", "0..3", "4..2", "1025", "many", "", "1..", "-1"] {
            let error = parse(wrong).unwrap_err().to_string();
            assert!(error.contains(&format!("{wrong:?}")), "{error}");
        }
        for text in ["4", "2..8"] {
            assert_eq!(parse(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn a_fixed_number_does_not_scale() {
        assert!(Scaling::new(InstanceCount::fixed(3).unwrap()).is_none());
    }

    #[test]
    fn instances_that_stay_behind_get_another_up_to_the_maximum() {
        let (mut scaling, now) = (scaling(1, 2), Instant::now());
        let behind = Sample { instances: 1, busy: 1, all_behind: true };
        assert_eq!(outcome(&mut scaling, now, behind), Some((Change::Add, PATIENCE)));
        let still = Sample { instances: 2, busy: 2, all_behind: true };
        assert_eq!(outcome(&mut scaling, now + PAUSE * 2, still), None);
    }

    #[test]
    fn a_short_burst_adds_none() {
        let (mut scaling, now) = (scaling(1, 8), Instant::now());
        for round in 0..20 {
            let all_behind = round % PATIENCE != 0;
            let sample = Sample { instances: 1, busy: 1, all_behind };
            assert_eq!(scaling.observe(now + INTERVAL * round, sample), None);
        }
    }

    #[test]
    fn a_change_is_given_time_to_take_effect() {
        let (mut scaling, now) = (scaling(1, 8), Instant::now());
        let sample = |instances| Sample { instances, busy: instances, all_behind: true };
        let (_, count) = outcome(&mut scaling, now, sample(1)).unwrap();
        let changed = now + INTERVAL * count;
        let (_, second) = outcome(&mut scaling, changed, sample(2)).unwrap();
        assert!(INTERVAL * second >= PAUSE + INTERVAL * (PATIENCE - 1), "{second}");
    }

    #[test]
    fn idle_instances_go_one_by_one_down_to_the_minimum() {
        let (mut scaling, now) = (scaling(2, 8), Instant::now());
        let idle = |instances| Sample { instances, busy: 0, all_behind: false };
        assert_eq!(outcome(&mut scaling, now, idle(3)), Some((Change::Remove, IDLE_SAMPLES)));
        assert_eq!(outcome(&mut scaling, now + IDLE_SAMPLES * INTERVAL * 2, idle(2)), None);
    }

    #[test]
    fn instances_at_work_are_kept_though_nothing_waits() {
        let (mut scaling, now) = (scaling(1, 8), Instant::now());
        let at_work = Sample { instances: 3, busy: 2, all_behind: false };
        assert_eq!(outcome(&mut scaling, now, at_work), None);
    }
}
