//! Keeps one place of a plugin served: starts an instance, and a fresh one after
//! each that fails, until the host stops or the plugin is given up.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::error::GuestError;
use super::event::PluginEvent;
use super::instance::Instance;
use super::loaded::Loaded;
use super::mailbox::Mailbox;
use super::state::{Inheritance, Shared};

/// Failures within [`WINDOW`] after which a plugin is given up.
pub(super) const MAX_FAILURES: u32 = 10;
pub(super) const WINDOW: Duration = Duration::from_secs(60);

/// The first failure costs nothing; later ones in a row wait longer and longer.
const FIRST_WAIT: Duration = Duration::from_millis(50);
const MAX_WAIT: Duration = Duration::from_secs(5);

/// Runs until the mailbox is stopped and empty. `started` is told what became of
/// the very first `start`; if that fails, so does the plugin.
///
/// # Errors
/// If the plugin is given up: with the last failure.
pub(super) async fn supervise(
    loaded: Arc<Loaded>,
    plugin: Arc<Shared>,
    mailbox: Arc<Mailbox>,
    started: oneshot::Sender<Result<(), GuestError>>,
) -> Result<(), Arc<GuestError>> {
    let mut instance =
        match Instance::start(&loaded, &plugin, &mailbox, Inheritance::default()).await {
            Ok(instance) => instance,
            Err((error, inheritance)) => {
                abandon(&mailbox, inheritance);
                // Who started it may have lost interest.
                let _ = started.send(Err(error));
                return Ok(());
            }
        };
    plugin.report(PluginEvent::InstanceStarted);
    let _ = started.send(Ok(()));
    let mut failures = Failures::default();
    loop {
        let error = match instance.serve().await {
            Ok(()) => {
                if let Err(error) = instance.stop().await {
                    plugin.report(PluginEvent::StopFailed { error: Arc::new(error) });
                }
                instance.end();
                return Ok(());
            }
            Err(error) => error,
        };
        let mut inheritance = instance.fail(&error);
        let mut last = Arc::new(error);
        plugin.report(PluginEvent::InstanceFailed { error: Arc::clone(&last) });
        instance = loop {
            match failures.note(Instant::now()) {
                Some(Duration::ZERO) => {}
                Some(wait) => {
                    plugin.report(PluginEvent::BackingOff { wait, failures: failures.count });
                    tokio::time::sleep(wait).await;
                }
                None => {
                    abandon(&mailbox, inheritance);
                    return Err(last);
                }
            }
            match Instance::start(&loaded, &plugin, &mailbox, inheritance).await {
                Ok(instance) => {
                    plugin.report(PluginEvent::InstanceStarted);
                    break instance;
                }
                Err((error, back)) => {
                    inheritance = back;
                    last = Arc::new(error);
                    plugin.report(PluginEvent::InstanceFailed { error: Arc::clone(&last) });
                }
            }
        };
    }
}

/// Nobody takes these subscriptions up any more.
fn abandon(mailbox: &Arc<Mailbox>, inheritance: Inheritance) {
    for subscription in inheritance.subscriptions {
        subscription.leave(mailbox);
    }
}

/// Remembers failures, to tell a bad message from a bad plugin.
#[derive(Default)]
struct Failures {
    count: u32,
    first: Option<Instant>,
}

impl Failures {
    /// Answers how long to wait before the next try; none to give up.
    fn note(&mut self, now: Instant) -> Option<Duration> {
        let first = *self.first.get_or_insert(now);
        if now.saturating_duration_since(first) > WINDOW {
            *self = Self { count: 0, first: Some(now) };
        }
        self.count += 1;
        match self.count {
            1 => Some(Duration::ZERO),
            n if n > MAX_FAILURES => None,
            n => Some(FIRST_WAIT.saturating_mul(1 << (n - 2).min(16)).min(MAX_WAIT)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_failure_is_free_and_many_are_final() {
        let (mut failures, now) = (Failures::default(), Instant::now());
        assert_eq!(failures.note(now), Some(Duration::ZERO));
        assert_eq!(failures.note(now), Some(FIRST_WAIT));
        for _ in 2..MAX_FAILURES {
            assert!(failures.note(now).is_some());
        }
        assert_eq!(failures.note(now), None);
    }

    #[test]
    fn old_failures_are_forgiven() {
        let (mut failures, now) = (Failures::default(), Instant::now());
        for _ in 0..MAX_FAILURES {
            failures.note(now);
        }
        assert_eq!(failures.note(now + WINDOW * 2), Some(Duration::ZERO));
    }
}
