//! The wasmtime engine: one for all plugins of a host.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use wasmtime::{Cache, CacheConfig, Config, Engine, EngineWeak};

use super::error::LoadError;

/// How long a guest runs before the connections and plugins beside it get their
/// turn. Also the grain of the limit on processor time.
pub const TICK: Duration = Duration::from_millis(5);

/// Native stack of a guest's fiber, and the part of it that wasm may use.
const FIBER_STACK_BYTES: usize = 1 << 20;
const WASM_STACK_BYTES: usize = 512 << 10;

/// Makes the engine. Compiled code is kept in `cache` (the user's own cache
/// directory if none is given), keyed by content and by these settings.
///
/// # Errors
/// If the settings do not go together on this machine, or the cache directory
/// can't be used.
pub(super) fn engine(cache: &CompileCache) -> Result<Engine, LoadError> {
    let mut config = Config::new();
    config
        .wasm_component_model(true)
        .epoch_interruption(true)
        .async_stack_size(FIBER_STACK_BYTES)
        .max_wasm_stack(WASM_STACK_BYTES);
    let directory = match cache {
        CompileCache::Off => None,
        CompileCache::Default => Some(None),
        CompileCache::Directory(path) => Some(Some(path)),
    };
    if let Some(directory) = directory {
        let mut settings = CacheConfig::new();
        if let Some(path) = directory {
            settings.with_directory(path);
        }
        config.cache(Some(Cache::new(settings).map_err(LoadError::Cache)?));
    }
    Engine::new(&config).map_err(LoadError::Engine)
}

/// Where compiled components are kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum CompileCache {
    /// The user's cache directory.
    #[default]
    Default,
    /// This directory; created if missing. It must be an absolute path.
    Directory(PathBuf),
    /// Nowhere: every start compiles.
    Off,
}

/// The thread that moves an engine's epoch on. Ends when dropped.
pub(super) struct Ticker {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Ticker {
    /// # Errors
    /// If the operating system gives no thread.
    pub(super) fn start(engine: &Engine) -> std::io::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let thread = std::thread::Builder::new().name("epoch".into()).spawn({
            let (stop, engine) = (Arc::clone(&stop), engine.weak());
            move || tick(&stop, &engine)
        })?;
        Ok(Self { stop, thread: Some(thread) })
    }
}

fn tick(stop: &AtomicBool, engine: &EngineWeak) {
    while !stop.load(Ordering::Relaxed) {
        std::thread::sleep(TICK);
        match engine.upgrade() {
            Some(engine) => engine.increment_epoch(),
            None => return,
        }
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // It can only have ended; a panic in it must not become one here.
            let _ = thread.join();
        }
    }
}
