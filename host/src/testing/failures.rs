//! What went wrong in a plugin, and what of it a test has expected.

use std::sync::Arc;

use parking_lot::Mutex;

use crate::plugin::{Observer, PluginEvent};

/// Cheap to clone; all clones are the same.
#[derive(Clone, Default)]
pub(super) struct Failures(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    failures: Vec<(String, bool)>,
    refusals: Vec<String>,
}

impl Failures {
    /// Takes the events of a plugin.
    pub(super) fn observer(&self) -> Observer {
        let state = Arc::clone(&self.0);
        Observer::new(move |_, event| {
            let mut state = state.lock();
            let failure = match event {
                PluginEvent::InstanceFailed { error } | PluginEvent::StopFailed { error } => {
                    error.to_string()
                }
                PluginEvent::CallbackFailed { reason } => reason.clone(),
                PluginEvent::StartFailed { reason } => reason.clone(),
                PluginEvent::Refused { what } => return state.refusals.push(what.clone()),
                PluginEvent::LimitReached { limit, current, desired, maximum } => {
                    return state.refusals.push(format!(
                        "the limit {limit} is {maximum}: {current} are in use, and {desired} would be"
                    ));
                }
                _ => return,
            };
            state.failures.push((failure, false));
        })
    }

    /// Takes the first failure that nobody has expected yet.
    pub(super) fn expect(&self) -> Option<String> {
        let mut state = self.0.lock();
        let (text, is_expected) = state.failures.iter_mut().find(|(_, expected)| !*expected)?;
        *is_expected = true;
        Some(text.clone())
    }

    pub(super) fn has_unexpected(&self) -> bool {
        self.0.lock().failures.iter().any(|(_, expected)| !expected)
    }

    /// All of them, and whether each was expected.
    pub(super) fn all(&self) -> Vec<(String, bool)> {
        self.0.lock().failures.clone()
    }

    /// What the policy or a limit has refused.
    pub(super) fn refusals(&self) -> Vec<String> {
        self.0.lock().refusals.clone()
    }
}
