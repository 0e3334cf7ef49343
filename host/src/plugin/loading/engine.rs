//! The wasmtime engines: one for plain components, one for asynchronous ones.

use std::path::PathBuf;

use wasmtime::{Cache, CacheConfig, Config, Engine};

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

/// Makes an engine. Compiled code is kept in `cache` (the user's own cache
/// directory if none is given), keyed by content and by these settings. A guest may
/// use `stack_bytes` of native stack.
///
/// # Errors
/// If the settings do not go together on this machine, or a cache directory that
/// was named can't be used.
pub(in crate::plugin) fn engine(
    cache: &CompileCache,
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
    config.cache(open(cache)?);
    Engine::new(&config).map_err(LoadError::Engine)
}

/// Opens a cache. That of the user need not be there: a container often has no
/// directory that can be written, and then each start compiles.
fn open(cache: &CompileCache) -> Result<Option<Cache>, LoadError> {
    let mut settings = CacheConfig::new();
    match cache {
        CompileCache::Off => Ok(None),
        CompileCache::Directory(path) => {
            settings.with_directory(path);
            Cache::new(settings).map(Some).map_err(LoadError::Cache)
        }
        CompileCache::Default => Ok(Cache::new(settings)
            .inspect_err(|error| tracing::warn!(%error, "compiled components are not kept"))
            .ok()),
    }
}

/// Where compiled components are kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum CompileCache {
    /// The user's cache directory; nowhere if it can't be used.
    #[default]
    Default,
    /// This directory; created if missing. It must be an absolute path.
    Directory(PathBuf),
    /// Nowhere: every start compiles.
    Off,
}
