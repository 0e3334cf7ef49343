//! What happens to a plugin that its operator should know.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::plugin::error::GuestError;

/// Something that happened to a plugin, as its log, its counters and the
/// embedder's [`Observer`] get it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum PluginEvent {
    /// All its instances have started, and the server knows what they have
    /// subscribed to.
    Ready {
        /// How many instances serve.
        instances: usize,
    },
    /// `start` of one instance has succeeded.
    InstanceStarted,
    /// An instance has ended by its own fault. A fresh one takes over, unless the
    /// plugin is quarantined.
    InstanceFailed {
        /// What it did; the text has the guest's backtrace.
        error: Arc<GuestError>,
    },
    /// A fresh instance is not started at once.
    BackingOff {
        /// How long it waits.
        wait: Duration,
        /// Failures in a row that led to it.
        failures: u32,
    },
    /// The plugin could not start; it is quarantined. Whoever asked for the start
    /// gets the reason as an error too.
    StartFailed {
        /// Why.
        reason: String,
    },
    /// The plugin does not serve any more: it failed too often. It can be
    /// restarted or reloaded.
    Quarantined {
        /// The last failure, on one line.
        reason: String,
        /// Failures that were counted.
        failures: u32,
        /// In this time.
        window: Duration,
    },
    /// A callback answered an error. That is ordinary traffic, and no failure of
    /// the instance.
    CallbackFailed {
        /// The guest's words.
        reason: String,
    },
    /// A limit is reached: the guest was refused something, or ends, or does not start.
    LimitReached {
        /// Name of the limit, with its unit, such as `memory-bytes`.
        limit: &'static str,
        /// What is in use.
        current: u64,
        /// What would be in use.
        desired: u64,
        /// What may be in use.
        maximum: u64,
    },
    /// The guest was refused something that it has no permission for.
    Refused {
        /// What it tried, and what would allow it.
        what: String,
    },
    /// Messages are dropped since a mailbox is full: the begin of an episode.
    SlowConsumer {
        /// What was subscribed to.
        subject: String,
        /// The subscription.
        sid: u64,
    },
    /// The episode is over: half of what may wait does not any more.
    SlowConsumerCaughtUp {
        /// What was subscribed to.
        subject: String,
        /// The subscription.
        sid: u64,
        /// Messages that were dropped.
        dropped: u64,
    },
    /// `stop` of an instance failed; it has ended all the same.
    StopFailed {
        /// What it did.
        error: Arc<GuestError>,
    },
    /// An instance was added or removed since the work grew or shrank.
    Scaled {
        /// How many instances serve now.
        instances: usize,
    },
    /// An instance more is needed and did not start.
    ScalingFailed {
        /// Why.
        reason: String,
    },
    /// A new version serves, and the old one has ended.
    Reloaded {
        /// How many instances serve.
        instances: usize,
    },
    /// A new version could not take over; the old one serves on.
    ReloadFailed {
        /// Why.
        reason: String,
    },
    /// The plugin takes nothing new and works off what it has.
    Draining,
    /// The plugin has ended as asked.
    Stopped {
        /// Everything delivered was handled, and everything published was sent.
        clean: bool,
    },
}

impl PluginEvent {
    /// Its name, as counters and log limits use it; the limit's name for a limit.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Ready { .. } => "ready",
            Self::InstanceStarted => "instance-started",
            Self::InstanceFailed { .. } => "instance-failed",
            Self::BackingOff { .. } => "backing-off",
            Self::StartFailed { .. } => "start-failed",
            Self::Quarantined { .. } => "quarantined",
            Self::CallbackFailed { .. } => "callback-failed",
            Self::LimitReached { limit, .. } => limit,
            Self::Refused { .. } => "refused",
            Self::SlowConsumer { .. } => "slow-consumer",
            Self::SlowConsumerCaughtUp { .. } => "slow-consumer-caught-up",
            Self::StopFailed { .. } => "stop-failed",
            Self::Scaled { .. } => "scaled",
            Self::ScalingFailed { .. } => "scaling-failed",
            Self::Reloaded { .. } => "reloaded",
            Self::ReloadFailed { .. } => "reload-failed",
            Self::Draining => "draining",
            Self::Stopped { .. } => "stopped",
        }
    }

    /// Whether a guest can cause as many of them as it likes.
    pub(in crate::plugin) fn is_cheap_to_cause(&self) -> bool {
        matches!(
            self,
            Self::CallbackFailed { .. }
                | Self::LimitReached { .. }
                | Self::Refused { .. }
                | Self::SlowConsumer { .. }
                | Self::SlowConsumerCaughtUp { .. }
        )
    }
}

/// Takes the events of all plugins of a host, beside the log.
///
/// It is called on the threads that plugins run on, so it must not wait, and must
/// not call the host.
#[derive(Clone)]
pub struct Observer(Arc<Observe>);

type Observe = dyn Fn(&str, &PluginEvent) + Send + Sync;

impl Observer {
    /// One that calls a function with the plugin's name and the event.
    pub fn new(function: impl Fn(&str, &PluginEvent) + Send + Sync + 'static) -> Self {
        Self(Arc::new(function))
    }

    pub(in crate::plugin) fn tell(&self, plugin: &str, event: &PluginEvent) {
        (self.0)(plugin, event);
    }
}

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Observer")
    }
}
