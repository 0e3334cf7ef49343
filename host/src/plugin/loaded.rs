//! A component that is compiled, checked and linked: what an instance is made of.

use std::sync::Arc;

use wasmtime::Engine;
use wasmtime::component::{Component, ComponentExportIndex, InstancePre, Linker};

use super::bindings::GuestPre;
use super::component::{self, BATCH_HANDLER, Interfaces, Kind};
use super::error::LoadError;
use super::imports;
use super::settings::ComponentSource;
use super::state::State;
use super::ticker::Activity;

/// Ready to be instantiated, any number of times.
pub(super) struct Loaded {
    pub(super) kind: Kind,
    pub(super) pre: InstancePre<State>,
    /// The function of `batch-handler`, if the component has it.
    pub(super) batch: Option<ComponentExportIndex>,
    /// To be told when a guest of it runs.
    pub(super) activity: Arc<Activity>,
}

/// What all components of a host are linked with.
pub(super) fn linker(engine: &Engine) -> Result<Linker<State>, LoadError> {
    let mut linker = Linker::new(engine);
    imports::add_to_linker(&mut linker).map_err(LoadError::Engine)?;
    Ok(linker)
}

/// Loads a component. Compiling takes a while and is done off the shards.
///
/// # Errors
/// If it is none, is of another world, or needs what this host does not have.
pub(super) async fn load(
    linker: &Linker<State>,
    activity: &Arc<Activity>,
    source: &ComponentSource,
    name: &str,
) -> Result<Loaded, LoadError> {
    let (bytes, name) = match source {
        ComponentSource::File(path) => (component::read(path)?.into(), path.display().to_string()),
        ComponentSource::Bytes(bytes) => (Arc::clone(bytes), name.to_owned()),
    };
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
    let mismatch = |source| LoadError::Mismatch { name: name.clone(), source };
    let pre = linker.instantiate_pre(component).map_err(mismatch)?;
    let mut batch = None;
    if let Kind::Plugin { batch: has_batch } = kind {
        GuestPre::new(pre.clone()).map_err(mismatch)?;
        if has_batch {
            let interface = component.get_export_index(None, BATCH_HANDLER);
            batch = component.get_export_index(interface.as_ref(), "on-deliveries");
        }
    }
    Ok(Loaded { kind, pre, batch, activity: Arc::clone(activity) })
}
