//! A component that is compiled, checked and linked: what an instance is made of.

use std::hash::{DefaultHasher, Hasher};
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use wasmtime::component::{Component, ComponentExportIndex, InstancePre, Linker};

use super::bindings::GuestPre;
use super::component::{self, BATCH_HANDLER, Interfaces, Kind};
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
    /// To be told when a guest of it runs.
    pub(in crate::plugin) activity: Arc<Activity>,
    /// Native stack that it may use.
    pub(in crate::plugin) stack_bytes: usize,
    /// Of the bytes that it was compiled from.
    pub(in crate::plugin) digest: u64,
}

/// Loads the component of a plugin. Compiling takes a while and is done off the
/// shards. A limit that it is beyond is reported.
///
/// # Errors
/// If it is none, is of another world, or needs what this host does not have; or
/// if the host is to subscribe for it and need not, or the other way round.
pub(in crate::plugin) async fn load(
    linkers: &Linkers,
    settings: &PluginSettings,
    reporter: &Reporter,
) -> Result<Loaded, StartError> {
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
    bytes_of(settings).await.map_or(true, |(_, _, digest)| digest != loaded.digest)
}

/// The component, what errors call it, and its digest.
async fn bytes_of(settings: &PluginSettings) -> Result<(Arc<[u8]>, String, u64), LoadError> {
    let limit = settings.limits.max_component_bytes;
    let (bytes, name): (Arc<[u8]>, _) = match settings.component.clone() {
        ComponentSource::File(path) => {
            let name = path.display().to_string();
            (blocking(&name, move || component::read(&path, limit)).await?.into(), name)
        }
        ComponentSource::Bytes(bytes) => {
            component::check_size(&settings.name, bytes.len() as u64, limit)?;
            (bytes, settings.name.clone())
        }
    };
    let hashed = Arc::clone(&bytes);
    let digest = blocking(&name, move || {
        let mut hasher = DefaultHasher::new();
        hasher.write(&hashed);
        Ok(hasher.finish())
    });
    let digest = digest.await?;
    Ok((bytes, name, digest))
}

async fn compiled(linkers: &Linkers, settings: &PluginSettings) -> Result<Loaded, LoadError> {
    let (bytes, name, digest) = bytes_of(settings).await?;
    let (linker, activity) = linkers.of(&bytes).await?;
    let engine = linker.engine().clone();
    let component = {
        let (compiled, size_bytes) = (name.clone(), bytes.len());
        let compiling = blocking(&name, move || component::compile(&engine, &compiled, &bytes));
        // It can't be cancelled: given up, it works on to its end for nobody.
        let limit = settings.limits.compile_timeout;
        match tokio::time::timeout(limit, announced(&name, size_bytes, compiling)).await {
            Ok(component) => component?,
            Err(_) => return Err(LoadError::CompileTimeout { name, limit }),
        }
    };
    link((linker, activity), &component, name, (linkers.stack_bytes(), digest))
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

/// Compiling a large component is told of if it takes longer than this. What comes from the cache is
/// faster.
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

fn link(
    (linker, activity): (&Linker<State>, &Arc<Activity>),
    component: &Component,
    name: String,
    (stack_bytes, digest): (usize, u64),
) -> Result<Loaded, LoadError> {
    let interfaces = Interfaces::of(component);
    if let Some(version) = interfaces.other_version() {
        let version = version.to_owned();
        return Err(LoadError::OtherVersion { name, version });
    }
    let kind = match interfaces.kind() {
        Ok(kind) => kind,
        Err(missing) => return Err(LoadError::WrongWorld { name, missing }),
    };
    let imports = interfaces.unknown_imports();
    if !imports.is_empty() {
        return Err(LoadError::UnknownImport { name, imports });
    }
    for (other, chosen) in interfaces.passed_over(kind) {
        tracing::info!(component = name, chosen, other, "it has two handlers; one is not called");
    }
    let mismatch = |source| LoadError::Mismatch { name: name.clone(), source };
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
    Ok(Loaded { kind, pre, batch, handler, activity: Arc::clone(activity), stack_bytes, digest })
}
