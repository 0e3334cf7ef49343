//! `wasi:io/poll`: what a guest waits by. What it has published before it waits is
//! sent.

use wasmtime::StoreContextMut;
use wasmtime::component::{Linker, Resource, ResourceType};
use wasmtime_wasi::p2::DynPollable;
use wasmtime_wasi::p2::bindings::io::poll::{Host, HostPollable};

use crate::plugin::imports::catch_up;
use crate::plugin::state::State;

/// Takes the place of its like.
pub(super) fn add_to_linker(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    let mut instance = linker.instance("wasi:io/poll@0.2.12")?;
    instance.resource(
        "pollable",
        ResourceType::host::<DynPollable>(),
        |mut store: StoreContextMut<'_, State>, handle| {
            HostPollable::drop(store.data_mut().table(), Resource::new_own(handle))
        },
    )?;
    instance.func_wrap_async(
        "[method]pollable.ready",
        |mut store: StoreContextMut<'_, State>, (pollable,): (Resource<DynPollable>,)| {
            Box::new(async move {
                Ok((HostPollable::ready(store.data_mut().table(), pollable).await?,))
            })
        },
    )?;
    instance.func_wrap_async(
        "[method]pollable.block",
        |mut store: StoreContextMut<'_, State>, (pollable,): (Resource<DynPollable>,)| {
            Box::new(async move {
                catch_up(&store)?;
                HostPollable::block(store.data_mut().table(), pollable).await
            })
        },
    )?;
    instance.func_wrap_async(
        "poll",
        |mut store: StoreContextMut<'_, State>, (pollables,): (Vec<Resource<DynPollable>>,)| {
            Box::new(async move {
                catch_up(&store)?;
                Ok((Host::poll(store.data_mut().table(), pollables).await?,))
            })
        },
    )
}
