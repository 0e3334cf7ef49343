//! Limits that end an instance, or keep it from starting: which one it was, as the
//! error tells.

use std::time::Duration;

use thiserror::Error;
use wasmtime::Trap;
use wasmtime::component::ResourceTableError;

use super::Limits;
use crate::plugin::error::{GuestError, LoadError};
use crate::plugin::reporting::event::PluginEvent;

/// What one call may pass to the host besides a payload.
const CALL_SLACK_BYTES: usize = 1 << 20;

/// One callback had more of the processor than it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a callback used more than {limit:?} of processor time")]
pub(in crate::plugin) struct CpuTimeExceeded {
    pub(in crate::plugin) used: Duration,
    pub(in crate::plugin) limit: Duration,
}

impl Limits {
    /// What one call of a guest may pass to the host. A payload of one byte too
    /// many is to be refused with an error, so it is more than a payload may have.
    pub(in crate::plugin) fn max_call_bytes(&self) -> usize {
        self.max_payload_bytes.saturating_add(CALL_SLACK_BYTES)
    }
}

/// The limit that ended an instance, if it was one. `stack_bytes` is the native
/// stack that it had.
pub(in crate::plugin) fn of_guest(
    error: &GuestError,
    limits: &Limits,
    stack_bytes: usize,
) -> Option<PluginEvent> {
    match error {
        GuestError::Start(_) => None,
        GuestError::Timeout { during, limit } => {
            let name = match *during {
                "start" => "start-timeout-ms",
                "stop" => "stop-callback-timeout-ms",
                "run" => "command-timeout-ms",
                "run, after the stop" => "stop-timeout-ms",
                _ => "callback-timeout-ms",
            };
            Some(one_more(name, milliseconds(*limit)))
        }
        GuestError::Trap { source, .. } => of_trap(source, limits, stack_bytes),
    }
}

/// The limit that kept a component from being loaded, if it was one.
pub(in crate::plugin) fn of_load(error: &LoadError) -> Option<PluginEvent> {
    match *error {
        LoadError::TooLarge { size_bytes, limit_bytes, .. } => {
            Some(excess("component-bytes", 0, size_bytes, limit_bytes))
        }
        LoadError::CompileTimeout { limit, .. } => {
            Some(one_more("compile-timeout-ms", milliseconds(limit)))
        }
        _ => None,
    }
}

/// Instances that were to end had not worked off what they had in this time.
pub(in crate::plugin) fn of_drain(limit: Duration) -> PluginEvent {
    one_more("drain-timeout-ms", milliseconds(limit))
}

fn of_trap(trap: &wasmtime::Error, limits: &Limits, stack_bytes: usize) -> Option<PluginEvent> {
    if let Some(CpuTimeExceeded { used, limit }) = trap.downcast_ref() {
        let (used, limit) = (milliseconds(*used), milliseconds(*limit));
        return Some(excess("callback-cpu-time-ms", used, used.saturating_add(1), limit));
    }
    if let Some(Trap::StackOverflow) = trap.downcast_ref() {
        return Some(one_more("native-stack-bytes", stack_bytes as u64));
    }
    if trap.chain().any(|cause| matches!(cause.downcast_ref(), Some(ResourceTableError::Full))) {
        return Some(one_more("handles", limits.max_handles as u64));
    }
    of_engine(&trap.root_cause().to_string(), limits)
}

/// For these the engine has no type, only words.
fn of_engine(words: &str, limits: &Limits) -> Option<PluginEvent> {
    if words.ends_with("store handle limit exceeded") {
        return Some(one_more("handles", limits.max_handles as u64));
    }
    if words.ends_with("fuel allocated for hostcalls has been exhausted") {
        return Some(one_more("call-bytes", limits.max_call_bytes() as u64));
    }
    let (kind, desired) =
        words.strip_prefix("resource limit exceeded: ")?.split_once(" count too high at ")?;
    let desired = desired.parse::<u64>().ok()?;
    let (limit, maximum) = match kind {
        "instance" => ("core-instances", limits.max_core_instances),
        "memory" => ("memories", super::limiter::MAX_MEMORIES),
        "table" => ("tables", super::limiter::MAX_TABLES),
        _ => return None,
    };
    let maximum = maximum as u64;
    Some(excess(limit, maximum.min(desired.saturating_sub(1)), desired, maximum))
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// All of it was used, and more was wanted.
fn one_more(limit: &'static str, maximum: u64) -> PluginEvent {
    excess(limit, maximum, maximum.saturating_add(1), maximum)
}

fn excess(limit: &'static str, current: u64, desired: u64, maximum: u64) -> PluginEvent {
    PluginEvent::LimitReached { limit, current, desired, maximum }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_engine_says_of_a_count_is_understood() {
        let limits = Limits::default();
        let event = of_engine("resource limit exceeded: instance count too high at 101", &limits);
        let Some(PluginEvent::LimitReached { limit, current, desired, maximum }) = event else {
            panic!("{event:?}");
        };
        assert_eq!((limit, current, desired, maximum), ("core-instances", 100, 101, 100));
        assert!(of_engine("unreachable", &limits).is_none());
    }
}
