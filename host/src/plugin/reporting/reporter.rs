//! The one place where events of a plugin go: counters, log, observer.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rustc_hash::FxHashMap;

use super::counters::{Counters, Counts};
use super::event::{Observer, PluginEvent};
use crate::time;

/// Lines of the log in one [`WINDOW`] for each kind of event that a guest can
/// cause at will; more say nothing new.
const MAX_LINES: u32 = 20;
const WINDOW: Duration = Duration::from_secs(10);

/// Takes the events of one plugin.
#[derive(Debug)]
pub(in crate::plugin) struct Reporter {
    plugin: String,
    observer: Option<Observer>,
    counters: Counters,
    memory_bytes: AtomicUsize,
    lines: Mutex<FxHashMap<&'static str, Lines>>,
}

impl Reporter {
    pub(in crate::plugin) fn new(plugin: &str, observer: Option<Observer>) -> Self {
        Self {
            plugin: plugin.to_owned(),
            observer,
            counters: Counters::default(),
            memory_bytes: AtomicUsize::new(0),
            lines: Mutex::default(),
        }
    }

    /// Counts an event, logs it, and tells the observer.
    pub(in crate::plugin) fn report(&self, event: &PluginEvent) {
        self.counters.count(event);
        let plugin = self.plugin.as_str();
        if event.is_cheap_to_cause() {
            let kind = event.name();
            let verdict = self.lines.lock().entry(kind).or_default().take(time::now());
            if let Verdict::Log { silenced: silenced @ 1.. } = verdict {
                tracing::warn!(plugin, kind, silenced, "more of these were not logged");
            }
            match verdict {
                Verdict::Log { .. } => self.log(event),
                Verdict::Silence => tracing::debug!(plugin, ?event, "not logged as a warning"),
            }
        } else {
            self.log(event);
        }
        if let Some(observer) = &self.observer {
            observer.tell(plugin, event);
        }
    }

    /// A full mailbox has dropped a message.
    pub(in crate::plugin) fn message_dropped(&self) {
        self.counters.dropped_messages.fetch_add(1, Ordering::Relaxed);
    }

    /// An instance that has ended had been handed so many messages.
    pub(in crate::plugin) fn messages_handled(&self, count: u64) {
        self.counters.messages.fetch_add(count, Ordering::Relaxed);
    }

    /// Its guests have so much more memory.
    pub(in crate::plugin) fn memory_taken(&self, bytes: usize) {
        self.memory_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// An instance has ended that had so much memory.
    pub(in crate::plugin) fn memory_given_back(&self, bytes: usize) {
        self.memory_bytes.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// The memory that its guests have, in bytes.
    pub(in crate::plugin) fn memory_bytes(&self) -> usize {
        self.memory_bytes.load(Ordering::Relaxed)
    }

    pub(in crate::plugin) fn counts(&self) -> Counts {
        self.counters.counts()
    }

    fn log(&self, event: &PluginEvent) {
        let plugin = self.plugin.as_str();
        match event {
            PluginEvent::Ready { instances } => tracing::info!(plugin, instances, "plugin ready"),
            PluginEvent::InstanceStarted => tracing::debug!(plugin, "instance started"),
            PluginEvent::InstanceFailed { error } => {
                tracing::warn!(plugin, during = error.during(), %error, "instance failed");
            }
            PluginEvent::BackingOff { wait, failures } => {
                tracing::info!(plugin, ?wait, failures, "waiting before a fresh instance");
            }
            PluginEvent::StartFailed { reason } => {
                // As an error it is told where the start was asked for.
                tracing::debug!(plugin, reason, "plugin could not start");
            }
            PluginEvent::Quarantined { reason, failures, window } => {
                tracing::warn!(plugin, reason, failures, ?window, "plugin quarantined");
            }
            PluginEvent::CallbackFailed { reason } => {
                tracing::warn!(plugin, reason, "handler failed");
            }
            PluginEvent::LimitReached { limit, current, desired, maximum } => {
                tracing::warn!(plugin, limit, current, desired, maximum, "limit reached");
            }
            PluginEvent::Refused { what } => tracing::warn!(plugin, what, "refused"),
            PluginEvent::SlowConsumer { subject, sid } => {
                tracing::warn!(plugin, subject, sid, "slow consumer: dropping messages");
            }
            PluginEvent::SlowConsumerCaughtUp { subject, sid, dropped } => {
                tracing::warn!(plugin, subject, sid, dropped, "slow consumer caught up");
            }
            PluginEvent::StopFailed { error } => tracing::warn!(plugin, %error, "stop failed"),
            PluginEvent::Scaled { instances } => tracing::info!(plugin, instances, "plugin scaled"),
            PluginEvent::ScalingFailed { reason } => {
                tracing::warn!(plugin, reason, "another instance could not start");
            }
            PluginEvent::Reloaded { instances } => {
                tracing::info!(plugin, instances, "plugin reloaded");
            }
            PluginEvent::ReloadFailed { reason } => {
                tracing::warn!(plugin, reason, "reload failed; the version before serves on");
            }
            PluginEvent::Draining => tracing::info!(plugin, "plugin draining"),
            PluginEvent::Stopped { clean: true } => tracing::info!(plugin, "plugin stopped"),
            PluginEvent::Stopped { clean: false } => {
                tracing::warn!(plugin, "plugin stopped; not everything was handled in time");
            }
        }
    }
}

/// The lines of one kind in the present window.
#[derive(Debug, Default)]
pub(in crate::plugin) struct Lines {
    begin: Option<Instant>,
    count: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::plugin) enum Verdict {
    /// Log it; so many before it, in the window that is over, were not.
    Log {
        silenced: u32,
    },
    Silence,
}

impl Lines {
    /// Whether one more may be logged now.
    pub(in crate::plugin) fn take(&mut self, now: Instant) -> Verdict {
        let mut silenced = 0;
        let begin = *self.begin.get_or_insert(now);
        if now.saturating_duration_since(begin) >= WINDOW {
            silenced = self.count.saturating_sub(MAX_LINES);
            *self = Self { begin: Some(now), count: 0 };
        }
        self.count = self.count.saturating_add(1);
        if self.count <= MAX_LINES { Verdict::Log { silenced } } else { Verdict::Silence }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn a_flood_is_cut_and_its_size_told_later() {
        let (mut lines, now) = (Lines::default(), Instant::now());
        for _ in 0..MAX_LINES {
            assert_eq!(lines.take(now), Verdict::Log { silenced: 0 });
        }
        for _ in 0..7 {
            assert_eq!(lines.take(now), Verdict::Silence);
        }
        assert_eq!(lines.take(now + WINDOW), Verdict::Log { silenced: 7 });
        assert_eq!(lines.take(now + WINDOW), Verdict::Log { silenced: 0 });
    }

    #[test]
    fn the_observer_gets_every_event_and_all_are_counted() {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let observer = Observer::new({
            let seen = Arc::clone(&seen);
            move |plugin, event| seen.lock().push((plugin.to_owned(), event.name()))
        });
        let reporter = Reporter::new("it", Some(observer));
        for _ in 0..100 {
            reporter.report(&PluginEvent::Refused { what: "it".to_owned() });
        }
        let limit = "memory-bytes";
        reporter.report(&PluginEvent::LimitReached { limit, current: 1, desired: 3, maximum: 2 });
        assert_eq!(seen.lock().len(), 101);
        assert_eq!(seen.lock().last(), Some(&("it".to_owned(), limit)));
        let counts = reporter.counts();
        assert_eq!(counts.refusals, 100);
        assert_eq!(counts.limits_reached.get(limit), Some(&1));
    }
}
