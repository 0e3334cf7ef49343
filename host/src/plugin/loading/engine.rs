//! The wasmtime engines: one for plain components, one for asynchronous ones.

use wasmtime::{Config, Engine};

use crate::plugin::error::LoadError;

/// Native stack that a guest may use, unless said otherwise.
pub(in crate::plugin) const DEFAULT_STACK_BYTES: usize = 512 << 10;

/// What a guest's fiber has beyond that: for host functions, which run on it.
const HOST_STACK_BYTES: usize = 512 << 10;

/// What an engine can run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::plugin) enum Concurrency {
    /// Components whose functions are all synchronous. Calls are three times as
    /// cheap as on the other one.
    Off,
    /// Components with asynchronous functions and streams, too.
    On,
}

/// Makes an engine. A guest may use `stack_bytes` of native stack.
///
/// # Errors
/// If the settings do not go together on this machine.
pub(in crate::plugin) fn engine(
    concurrency: Concurrency,
    stack_bytes: usize,
) -> Result<Engine, LoadError> {
    let mut config = Config::new();
    config
        .wasm_component_model(true)
        // With it, each call into a guest and out of it costs a multiple, also of
        // components that have no asynchronous functions.
        .concurrency_support(concurrency == Concurrency::On)
        .epoch_interruption(true)
        .async_stack_size(stack_bytes.saturating_add(HOST_STACK_BYTES))
        .max_wasm_stack(stack_bytes);
    #[cfg(target_os = "linux")]
    if let Some(creator) = super::stacks::creator() {
        config.with_host_stack(creator);
    }
    Engine::new(&config).map_err(LoadError::Engine)
}
