//! What happens when a guest wants more than its limits: the operator learns of it,
//! and the guest gets an error.

use super::excess;
use super::rate::UsedUp;
use crate::plugin::error::GuestError;
use crate::plugin::loading::bindings::types::Error;
use crate::plugin::reporting::event::PluginEvent;
use crate::plugin::state::Shared;

impl Shared {
    /// A limit keeps something from happening.
    pub(in crate::plugin) fn limit_reached(
        &self,
        limit: &'static str,
        current: usize,
        desired: usize,
        maximum: usize,
    ) {
        let (current, desired, maximum) = (current as u64, desired as u64, maximum as u64);
        self.report(PluginEvent::LimitReached { limit, current, desired, maximum });
    }

    /// A limit keeps a guest from what it asked for: its error.
    pub(in crate::plugin) fn exceeded(
        &self,
        limit: &'static str,
        current: usize,
        desired: usize,
        maximum: usize,
    ) -> Error {
        self.limit_reached(limit, current, desired, maximum);
        Error::QuotaExceeded(format!("{limit}: the limit is {maximum}"))
    }

    /// An instance, or its start, has ended with this error; if a limit is why, the
    /// operator learns which. `stack_bytes` is the native stack that it had.
    pub(in crate::plugin) fn ended_by(&self, error: &GuestError, stack_bytes: usize) {
        if let Some(event) = excess::of_guest(error, &self.settings.limits, stack_bytes) {
            self.report(event);
        }
    }

    /// A guest publishes faster than it may: its error.
    pub(in crate::plugin) fn publishes_too_fast(&self, used_up: UsedUp) -> Error {
        let (limit, maximum) = match used_up {
            UsedUp::Count(maximum) => ("publish-messages-per-second", maximum),
            UsedUp::Bytes(maximum) => ("publish-bytes-per-second", maximum),
        };
        self.rate_reached(limit, maximum);
        Error::QuotaExceeded(format!("{limit}: the limit is {maximum}"))
    }

    /// Something happens more often than it may.
    pub(in crate::plugin) fn rate_reached(&self, limit: &'static str, maximum: u64) {
        let desired = maximum.saturating_add(1);
        self.report(PluginEvent::LimitReached { limit, current: maximum, desired, maximum });
    }
}
