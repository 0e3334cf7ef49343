//! What a plugin has done and what was done to it, in numbers.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use serde::Serialize;

use super::event::PluginEvent;
use crate::plugin::error::GuestError;

/// Counts since the plugin was added, over all its instances and versions. They
/// only grow.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Counts {
    /// Messages that were handed to a callback.
    pub messages: u64,
    /// Messages that a full mailbox dropped.
    pub dropped_messages: u64,
    /// Callbacks that answered an error.
    pub failed_callbacks: u64,
    /// Instances that trapped, too much processor time included.
    pub traps: u64,
    /// Instances that were given up for a call that took too long.
    pub timeouts: u64,
    /// Starts that failed: of the plugin, or of an instance that answered an error.
    pub failed_starts: u64,
    /// Instances that have started, the first ones included.
    pub started_instances: u64,
    /// Times that it was quarantined.
    pub quarantines: u64,
    /// What the policy refused.
    pub refusals: u64,
    /// Versions that took over from the one before.
    pub reloads: u64,
    /// Versions that could not.
    pub failed_reloads: u64,
    /// How often each limit refused something, by its name.
    pub limits_reached: BTreeMap<&'static str, u64>,
}

/// The same, while it grows.
#[derive(Debug, Default)]
pub(in crate::plugin) struct Counters {
    pub(in crate::plugin) messages: AtomicU64,
    pub(in crate::plugin) dropped_messages: AtomicU64,
    failed_callbacks: AtomicU64,
    traps: AtomicU64,
    timeouts: AtomicU64,
    failed_starts: AtomicU64,
    started_instances: AtomicU64,
    quarantines: AtomicU64,
    refusals: AtomicU64,
    reloads: AtomicU64,
    failed_reloads: AtomicU64,
    limits_reached: Mutex<BTreeMap<&'static str, u64>>,
}

impl Counters {
    pub(in crate::plugin) fn count(&self, event: &PluginEvent) {
        let counter = match event {
            PluginEvent::CallbackFailed { .. } => &self.failed_callbacks,
            PluginEvent::InstanceFailed { error } => match **error {
                GuestError::Trap { .. } => &self.traps,
                GuestError::Timeout { .. } => &self.timeouts,
                GuestError::Start(_) => &self.failed_starts,
            },
            PluginEvent::StartFailed { .. } => &self.failed_starts,
            PluginEvent::InstanceStarted => &self.started_instances,
            PluginEvent::Quarantined { .. } => &self.quarantines,
            PluginEvent::Refused { .. } => &self.refusals,
            PluginEvent::Reloaded { .. } => &self.reloads,
            PluginEvent::ReloadFailed { .. } => &self.failed_reloads,
            PluginEvent::LimitReached { limit, .. } => {
                *self.limits_reached.lock().entry(limit).or_default() += 1;
                return;
            }
            _ => return,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// The counts now; messages of instances that serve are not among them.
    pub(in crate::plugin) fn counts(&self) -> Counts {
        let now = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counts {
            messages: now(&self.messages),
            dropped_messages: now(&self.dropped_messages),
            failed_callbacks: now(&self.failed_callbacks),
            traps: now(&self.traps),
            timeouts: now(&self.timeouts),
            failed_starts: now(&self.failed_starts),
            started_instances: now(&self.started_instances),
            quarantines: now(&self.quarantines),
            refusals: now(&self.refusals),
            reloads: now(&self.reloads),
            failed_reloads: now(&self.failed_reloads),
            limits_reached: self.limits_reached.lock().clone(),
        }
    }
}
