//! Instantiating with wasmtime alone: what it costs the host, without the host.

use std::path::Path;
use std::time::Instant;

use wasmtime::component::{Component, Linker};
use wasmtime::{Config, Engine, Result, Store};

/// Native stack of an instance: as much as the host's has by default.
const STACK_BYTES: usize = 1 << 20;

/// Instantiates the component so many times, prints the microseconds of each, and keeps
/// all instances until then, as a host would. What they import traps, and is not called.
pub(crate) fn run(component: &Path, instances: usize) -> Result<()> {
    let mut config = Config::new();
    config.concurrency_support(false).epoch_interruption(true).async_stack_size(STACK_BYTES);
    let engine = Engine::new(&config)?;
    let component = Component::from_file(&engine, component)?;
    let mut linker = Linker::new(&engine);
    linker.define_unknown_imports_as_traps(&component)?;
    let pre = linker.instantiate_pre(&component)?;
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    // On a thread of its own, as the host's are.
    let instantiate = || -> Result<Vec<f64>> {
        let mut kept = Vec::new();
        let mut micros = Vec::new();
        for _ in 0..instances {
            let mut store = Store::new(&engine, ());
            store.set_epoch_deadline(1);
            let begin = Instant::now();
            let instance = runtime.block_on(pre.instantiate_async(&mut store))?;
            micros.push(begin.elapsed().as_secs_f64() * 1e6);
            kept.push((store, instance));
        }
        Ok(micros)
    };
    let micros = std::thread::scope(|scope| scope.spawn(instantiate).join());
    for micros in micros.unwrap_or_else(|panic| std::panic::resume_unwind(panic))? {
        println!("{micros}");
    }
    Ok(())
}
