//! A component that is compiled, checked and linked: what an instance is made of.

use std::sync::Arc;

use wasmtime::component::{Component, ComponentExportIndex, InstancePre, Linker};

use super::adapters::HandlerPre;
use super::bindings::GuestPre;
use super::component::{self, BATCH_HANDLER, Interfaces, Kind};
use super::error::LoadError;
use super::linkers::Linkers;
use super::settings::ComponentSource;
use super::state::State;
use super::ticker::Activity;

/// Ready to be instantiated, any number of times.
pub(super) struct Loaded {
    pub(super) kind: Kind,
    pub(super) pre: InstancePre<State>,
    /// The function of `batch-handler`, if the component has it.
    pub(super) batch: Option<ComponentExportIndex>,
    /// The handler of an interface of others, if that is how it takes messages.
    pub(super) handler: Option<HandlerPre>,
    /// To be told when a guest of it runs.
    pub(super) activity: Arc<Activity>,
}

/// Loads a component. Compiling takes a while and is done off the shards.
///
/// # Errors
/// If it is none, is of another world, or needs what this host does not have.
pub(super) async fn load(
    linkers: &Linkers,
    source: &ComponentSource,
    name: &str,
) -> Result<Loaded, LoadError> {
    let (bytes, name) = match source {
        ComponentSource::File(path) => {
            (Arc::from(component::read(path)?), path.display().to_string())
        }
        ComponentSource::Bytes(bytes) => (Arc::clone(bytes), name.to_owned()),
    };
    let (linker, activity) = linkers.of(&bytes).await?;
    let engine = linker.engine().clone();
    let compile = {
        let name = name.clone();
        move || component::compile(&engine, &name, &bytes)
    };
    let component = match tokio::task::spawn_blocking(compile).await {
        Ok(component) => component?,
        Err(panic) => {
            let source = wasmtime::Error::msg(format!("the compiler failed: {panic}"));
            return Err(LoadError::Compile { name, source });
        }
    };
    link(linker, activity, &component, name)
}

fn link(
    linker: &Linker<State>,
    activity: &Arc<Activity>,
    component: &Component,
    name: String,
) -> Result<Loaded, LoadError> {
    let interfaces = Interfaces::of(component);
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
    let pre = linker.instantiate_pre(component).map_err(mismatch)?;
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
    Ok(Loaded { kind, pre, batch, handler, activity: Arc::clone(activity) })
}
