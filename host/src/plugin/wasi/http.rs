//! `wasi:http`: components of some languages import it whether they use it or not,
//! so it is there, and whoever calls it traps.

use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, Linker, LinkerInstance, ResourceType};
use wasmtime_wasi::p2::{DynInputStream, DynOutputStream, DynPollable};

use crate::plugin::state::State;

/// How its interfaces begin.
pub(in crate::plugin) const HTTP: &str = "wasi:http/";

/// What its resources are here. There never is one.
struct Nothing;

/// Makes what a component imports of it known to the linker.
pub(in crate::plugin) fn add_to_linker(
    linker: &mut Linker<State>,
    component: &Component,
) -> wasmtime::Result<()> {
    let engine = component.engine();
    let ty = component.component_type();
    for (interface, item) in ty.imports(engine).filter(|(name, _)| name.starts_with(HTTP)) {
        let ComponentItem::ComponentInstance(instance) = item.ty else { continue };
        let mut stub = linker.instance(interface)?;
        for (name, item) in instance.exports(engine) {
            match item.ty {
                ComponentItem::ComponentFunc(_) => add_function(&mut stub, interface, name)?,
                ComponentItem::Resource(_) => {
                    stub.resource(name, resource(name), |_, _| Ok(()))?;
                }
                _ => {}
            }
        }
    }
    Ok(())
}

fn add_function(
    stub: &mut LinkerInstance<'_, State>,
    interface: &str,
    name: &str,
) -> wasmtime::Result<()> {
    let function = format!("{interface}#{name}");
    stub.func_new(name, move |store, _, _, _| {
        store.data().refuse_wasi(format!("calling {function}: this host has no HTTP"));
        Err(wasmtime::Error::msg(format!("{function} is not there: this host has no HTTP")))
    })
}

/// Some of its resources are those of other interfaces, under the same name.
fn resource(name: &str) -> ResourceType {
    match name {
        "input-stream" => ResourceType::host::<DynInputStream>(),
        "output-stream" => ResourceType::host::<DynOutputStream>(),
        "pollable" => ResourceType::host::<DynPollable>(),
        "io-error" | "error" => ResourceType::host::<wasmtime::Error>(),
        _ => ResourceType::host::<Nothing>(),
    }
}
