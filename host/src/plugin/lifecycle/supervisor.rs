//! Keeps one place of a plugin served: starts an instance, and a fresh one after
//! each that fails, until the host stops or the plugin is given up.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::instance::Instance;
use super::seat::{InstanceStatus, Place};
use crate::plugin::dispatch::mailbox::Role;
use crate::plugin::error::GuestError;
use crate::plugin::loading::loaded::Loaded;
use crate::plugin::reporting::event::PluginEvent;
use crate::plugin::state::{Inheritance, Shared};
use crate::time;

/// The first failure costs nothing; later ones in a row wait longer and longer.
const FIRST_WAIT: Duration = Duration::from_millis(50);
const MAX_WAIT: Duration = Duration::from_secs(5);

/// An instance failed more often than it may.
pub(in crate::plugin) struct GivenUp {
    /// The last failure.
    pub(in crate::plugin) error: Arc<GuestError>,
    pub(in crate::plugin) failures: u32,
    pub(in crate::plugin) window: Duration,
}

/// Runs until the mailbox is stopped and empty. `started` is told what became of
/// the very first `start`; if that fails, the place is not served.
///
/// # Errors
/// If there are more failures than the limits of the plugin allow.
pub(in crate::plugin) async fn supervise(
    loaded: Arc<Loaded>,
    plugin: Arc<Shared>,
    place: Arc<Place>,
    started: oneshot::Sender<Result<(), GuestError>>,
) -> Result<(), GivenUp> {
    let mailbox = &place.mailbox;
    // Boxed here and below: starting takes much more room than serving, for which this
    // task lives on.
    let mut instance =
        match Box::pin(Instance::start(&loaded, &plugin, mailbox, Inheritance::default())).await {
            Ok(instance) => instance,
            Err((error, inheritance)) => {
                plugin.ended_by(&error, loaded.stack_bytes);
                plugin.subscriptions.leave(&inheritance.subscriptions, mailbox);
                place.set_status(InstanceStatus::Ended);
                // Who started it may have lost interest.
                let _ = started.send(Err(error));
                return Ok(());
            }
        };
    serves(&plugin, &place);
    let _ = started.send(Ok(()));
    let limits = plugin.settings.limits;
    let mut failures = Failures::default();
    loop {
        let error = match instance.serve().await {
            Ok(()) => {
                if let Err(error) = Box::pin(instance.stop()).await {
                    plugin.ended_by(&error, loaded.stack_bytes);
                    plugin.report(PluginEvent::StopFailed { error: Arc::new(error) });
                }
                instance.end();
                place.set_status(InstanceStatus::Ended);
                return Ok(());
            }
            Err(error) => error,
        };
        plugin.ended_by(&error, loaded.stack_bytes);
        let mut inheritance = instance.fail(&error);
        let mut error = Arc::new(error);
        plugin.report(PluginEvent::InstanceFailed { error: Arc::clone(&error) });
        instance = loop {
            match failures.note(time::now(), limits.max_failures, limits.failure_window) {
                Some(Duration::ZERO) => {}
                Some(wait) => {
                    place.set_status(InstanceStatus::BackingOff);
                    plugin.report(PluginEvent::BackingOff { wait, failures: failures.count });
                    time::sleep(wait).await;
                }
                None => {
                    // Nobody takes them up any more.
                    plugin.subscriptions.leave(&inheritance.subscriptions, mailbox);
                    place.set_status(InstanceStatus::Ended);
                    let (failures, window) = (failures.count, limits.failure_window);
                    return Err(GivenUp { error, failures, window });
                }
            }
            place.set_status(InstanceStatus::Starting);
            match Box::pin(Instance::start(&loaded, &plugin, mailbox, inheritance)).await {
                Ok(instance) => break instance,
                Err((failure, back)) => {
                    plugin.ended_by(&failure, loaded.stack_bytes);
                    inheritance = back;
                    error = Arc::new(failure);
                    plugin.report(PluginEvent::InstanceFailed { error: Arc::clone(&error) });
                }
            }
        };
        serves(&plugin, &place);
    }
}

fn serves(plugin: &Shared, place: &Place) {
    // One that is to end may have been started to work off what waits.
    let retired = place.mailbox.has_role(Role::Retired);
    place.set_status(if retired { InstanceStatus::Draining } else { InstanceStatus::Serving });
    plugin.report(PluginEvent::InstanceStarted);
}

/// Remembers failures, to tell a bad message from a bad plugin.
#[derive(Default)]
struct Failures {
    count: u32,
    first: Option<Instant>,
}

impl Failures {
    /// Answers how long to wait before the next try; none to give up, since this
    /// is more than the maximum within the window.
    fn note(&mut self, now: Instant, maximum: u32, window: Duration) -> Option<Duration> {
        let first = *self.first.get_or_insert(now);
        if now.saturating_duration_since(first) > window {
            *self = Self { count: 0, first: Some(now) };
        }
        self.count = self.count.saturating_add(1);
        match self.count {
            n if n > maximum => None,
            1 => Some(Duration::ZERO),
            n => Some(FIRST_WAIT.saturating_mul(1 << (n - 2).min(16)).min(MAX_WAIT)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAXIMUM: u32 = 10;
    const WINDOW: Duration = Duration::from_secs(60);

    #[test]
    fn one_failure_is_free_and_many_are_final() {
        let (mut failures, now) = (Failures::default(), Instant::now());
        assert_eq!(failures.note(now, MAXIMUM, WINDOW), Some(Duration::ZERO));
        assert_eq!(failures.note(now, MAXIMUM, WINDOW), Some(FIRST_WAIT));
        for _ in 2..MAXIMUM {
            assert!(failures.note(now, MAXIMUM, WINDOW).is_some());
        }
        assert_eq!(failures.note(now, MAXIMUM, WINDOW), None);
    }

    #[test]
    fn old_failures_are_forgiven() {
        let (mut failures, now) = (Failures::default(), Instant::now());
        for _ in 0..MAXIMUM {
            failures.note(now, MAXIMUM, WINDOW);
        }
        assert_eq!(failures.note(now + WINDOW * 2, MAXIMUM, WINDOW), Some(Duration::ZERO));
    }

    #[test]
    fn with_a_maximum_of_none_the_first_failure_is_final() {
        assert_eq!(Failures::default().note(Instant::now(), 0, WINDOW), None);
    }
}
