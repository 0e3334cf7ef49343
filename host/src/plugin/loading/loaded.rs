//! A component that is compiled, checked and linked: what an instance is made of.

use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use wasmtime::Engine;
use wasmtime::component::{Component, ComponentExportIndex, InstancePre, Linker};

use super::bindings::GuestPre;
use super::catalogue::Content;
use super::component::{self, BATCH_HANDLER, Interfaces, Kind};
use super::engine::Concurrency;
use super::linkers::Linkers;
use crate::plugin::adapters::HandlerPre;
use crate::plugin::error::{LoadError, StartError};
use crate::plugin::limits::excess;
use crate::plugin::reporting::reporter::Reporter;
use crate::plugin::scheduling::ticker::Activity;
use crate::plugin::settings::{ComponentSource, PluginSettings};
use crate::plugin::state::State;
use crate::plugin::wasi::http;

/// Ready to be instantiated, any number of times.
pub(in crate::plugin) struct Loaded {
    pub(in crate::plugin) kind: Kind,
    pub(in crate::plugin) pre: InstancePre<State>,
    /// The function of `batch-handler`, if the component has it.
    pub(in crate::plugin) batch: Option<ComponentExportIndex>,
    /// The handler of an interface of others, if that is how it takes messages.
    pub(in crate::plugin) handler: Option<HandlerPre>,
    /// Whether something of it may be under way beside a call.
    pub(in crate::plugin) concurrency: Concurrency,
    /// To be told when a guest of it runs.
    pub(in crate::plugin) activity: Arc<Activity>,
    /// Native stack that it may use.
    pub(in crate::plugin) stack_bytes: usize,
    /// Of the bytes that it was compiled from.
    pub(in crate::plugin) content: Content,
}

/// Loads the component of a plugin, unless another plugin has the same one: then
/// both use the same code. Compiling takes a while and is done off the shards. A
/// limit that it is beyond is reported.
///
/// # Errors
/// If it is none, is of another world, or needs what this host does not have; or
/// if the host is to subscribe for it and need not, or the other way round.
pub(in crate::plugin) async fn load(
    linkers: &Linkers,
    settings: &PluginSettings,
    reporter: &Reporter,
) -> Result<Arc<Loaded>, StartError> {
    let loaded = compiled(linkers, settings).await.inspect_err(|error| {
        if let Some(event) = excess::of_load(error) {
            reporter.report(&event);
        }
    })?;
    check_subscriptions(loaded.kind, settings)?;
    Ok(loaded)
}

/// Whether the component is another one by now than what was loaded, as far as that
/// can be told.
pub(in crate::plugin) async fn has_changed(loaded: &Loaded, settings: &PluginSettings) -> bool {
    bytes_of(settings).await.map_or(true, |(_, _, content)| content != loaded.content)
}

/// The component, what errors call it, and what stands for it.
async fn bytes_of(settings: &PluginSettings) -> Result<(Bytes, String, Content), LoadError> {
    let name = match &settings.component {
        ComponentSource::File(path) => path.display().to_string(),
        ComponentSource::Bytes(_) => settings.name.clone(),
    };
    let (source, limit) = (settings.component.clone(), settings.limits.max_component_bytes);
    let read = name.clone();
    let reading = blocking(&name, move || {
        let bytes = component::read(source, &read, limit)?;
        let content = Content::of(&bytes);
        Ok((bytes, content))
    });
    let (bytes, content) = reading.await?;
    Ok((bytes, name, content))
}

async fn compiled(linkers: &Linkers, settings: &PluginSettings) -> Result<Arc<Loaded>, LoadError> {
    let (bytes, name, content) = bytes_of(settings).await?;
    let limit = settings.limits.compile_timeout;
    let making = linkers.loaded.get_or_make(content, make(linkers, &name, bytes, content));
    match tokio::time::timeout(limit, making).await {
        Ok(loaded) => loaded,
        Err(_) => Err(LoadError::CompileTimeout { name, limit }),
    }
}

/// Compiles and links a component. Compiling can't be cancelled: given up, it works
/// on to its end for nobody.
async fn make(
    linkers: &Linkers,
    name: &str,
    bytes: Bytes,
    content: Content,
) -> Result<Loaded, LoadError> {
    let (linker, concurrency, activity) = linkers.of(&bytes).await?;
    let component = found_or_compiled(linkers, linker.engine(), name, bytes, content).await?;
    let interfaces = Interfaces::of(&component);
    let Fitting { kind, pre, batch, handler } = fit(linker, &component, &interfaces, name)?;
    for (other, chosen) in interfaces.passed_over(kind) {
        tracing::info!(component = name, chosen, other, "it has two handlers; one is not called");
    }
    let (activity, stack_bytes) = (Arc::clone(activity), linkers.stack_bytes());
    Ok(Loaded { kind, pre, batch, handler, concurrency, activity, stack_bytes, content })
}

/// Takes a component from the cache, or compiles it.
async fn found_or_compiled(
    linkers: &Linkers,
    engine: &Engine,
    name: &str,
    bytes: Bytes,
    content: Content,
) -> Result<Component, LoadError> {
    let (kept, for_engine) = (linkers.compiled.clone(), engine.clone());
    if let Some(component) = blocking(name, move || Ok(kept.find(&for_engine, content))).await? {
        return Ok(component);
    }
    let (kept, for_engine) = (linkers.compiled.clone(), engine.clone());
    let (source, size_bytes) = (name.to_owned(), bytes.len());
    let compiling = blocking(name, move || kept.compile(&for_engine, &source, &bytes, content));
    announced(name, size_bytes, compiling).await
}

fn check_subscriptions(kind: Kind, settings: &PluginSettings) -> Result<(), StartError> {
    let plugin = settings.name.clone();
    match (kind, settings.subscriptions.is_empty()) {
        (Kind::Foreign(interface), true) => Err(StartError::NoSubscriptions { plugin, interface }),
        (Kind::Plugin { .. } | Kind::Command, false) => {
            Err(StartError::NeedlessSubscriptions { plugin })
        }
        _ => Ok(()),
    }
}

/// Does what takes long off the shards.
async fn blocking<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> Result<T, LoadError> + Send + 'static,
) -> Result<T, LoadError> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|panic| {
        let source = wasmtime::Error::msg(format!("the compiler failed: {panic}"));
        Err(LoadError::Compile { name: name.to_owned(), source })
    })
}

/// Compiling a large component is told of if it takes longer than this.
const PATIENCE: Duration = Duration::from_millis(500);

/// Smaller components are soon compiled, and not worth a word on a busy machine.
const LARGE_BYTES: usize = 1 << 20;

/// Waits for a compilation, and says so if it takes a while.
async fn announced<T>(name: &str, size_bytes: usize, compiling: impl Future<Output = T>) -> T {
    if size_bytes < LARGE_BYTES {
        return compiling.await;
    }
    let begin = Instant::now();
    let mut compiling = pin!(compiling);
    if let Ok(done) = tokio::time::timeout(PATIENCE, &mut compiling).await {
        return done;
    }
    let size = size_bytes as f64 / 1e6;
    tracing::info!("compiling {name} ({size:.1} MB) for the first time …");
    let done = compiling.await;
    tracing::info!("compiled {name} in {:.1?}", begin.elapsed());
    done
}

/// What fits into a host, and how it is called.
pub(super) struct Fitting {
    kind: Kind,
    pre: InstancePre<State>,
    batch: Option<ComponentExportIndex>,
    handler: Option<HandlerPre>,
}

/// Links a component, which has these interfaces, with what this host provides.
///
/// # Errors
/// If they do not go together.
pub(super) fn fit(
    linker: &Linker<State>,
    component: &Component,
    interfaces: &Interfaces,
    name: &str,
) -> Result<Fitting, LoadError> {
    let kind = interfaces.check(name)?;
    let mismatch = |source| LoadError::Mismatch { name: name.to_owned(), source };
    let pre = if interfaces.has_http() {
        let mut linker = linker.clone();
        http::add_to_linker(&mut linker, component).map_err(mismatch)?;
        linker.instantiate_pre(component)
    } else {
        linker.instantiate_pre(component)
    };
    let pre = pre.map_err(mismatch)?;
    let (mut batch, mut handler) = (None, None);
    match kind {
        Kind::Plugin { batch: has_batch } => {
            GuestPre::new(pre.clone()).map_err(mismatch)?;
            if has_batch {
                let interface = component.get_export_index(None, BATCH_HANDLER);
                batch = component.get_export_index(interface.as_ref(), "on-deliveries");
            }
        }
        Kind::Foreign(foreign) => {
            handler = Some(HandlerPre::new(foreign, component, &pre).map_err(mismatch)?);
        }
        Kind::Command => {}
    }
    Ok(Fitting { kind, pre, batch, handler })
}
