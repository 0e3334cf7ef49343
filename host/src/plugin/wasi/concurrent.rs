//! WASI 0.3, for components with asynchronous functions. What 0.2 refuses, it refuses,
//! and in the same words.

use wasmtime::component::{Accessor, HasData, HasSelf, Linker, Resource};
use wasmtime_wasi::filesystem::{Descriptor, WasiFilesystem, WasiFilesystemView};
use wasmtime_wasi::p2::bindings::filesystem::preopens as preopens_0_2;
use wasmtime_wasi::p3::bindings::filesystem::preopens;
use wasmtime_wasi::p3::bindings::filesystem::types::{
    self as files, DescriptorFlags, HostDescriptorWithStore, OpenFlags, PathFlags,
};
use wasmtime_wasi::p3::bindings::sockets::ip_name_lookup;
use wasmtime_wasi::p3::bindings::sockets::types::{self as sockets, IpAddress, IpAddressFamily};
use wasmtime_wasi::sockets::{TcpSocket, UdpSocket};

use super::clocks;
use super::sockets::Socket;
use crate::plugin::state::State;

/// Makes it known to a linker.
pub(in crate::plugin) fn add_to_linker(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    wasmtime_wasi::p3::add_to_linker(linker)?;
    // These take the place of their like.
    linker.allow_shadowing(true);
    clocks::add_to_concurrent_linker(linker)?;
    refuse_sockets(linker)?;
    refuse_files(linker)?;
    linker.allow_shadowing(false);
    Ok(())
}

fn refuse_sockets(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    type Created<T> = (Result<Resource<T>, sockets::ErrorCode>,);
    let mut interface = linker.instance("wasi:sockets/types@0.3.0")?;
    interface.func_wrap("[static]tcp-socket.create", |store, (_,): (IpAddressFamily,)| {
        store.data().refuse_socket(Socket::Tcp);
        Ok::<Created<TcpSocket>, _>((Err(sockets::ErrorCode::AccessDenied),))
    })?;
    interface.func_wrap("[static]udp-socket.create", |store, (_,): (IpAddressFamily,)| {
        store.data().refuse_socket(Socket::Udp);
        Ok::<Created<UdpSocket>, _>((Err(sockets::ErrorCode::AccessDenied),))
    })?;
    ip_name_lookup::add_to_linker::<_, Names>(linker, |state| state)
}

/// Stands for the lookup of names.
struct Names;

impl HasData for Names {
    type Data<'a> = &'a mut State;
}

impl ip_name_lookup::Host for State {}

impl<T> ip_name_lookup::HostWithStore<T> for Names {
    async fn resolve_addresses(
        store: &Accessor<T, Self>,
        name: String,
    ) -> wasmtime::Result<Result<Vec<IpAddress>, ip_name_lookup::ErrorCode>> {
        store.with(|mut access| access.get().refuse_lookup(&name));
        Ok(Err(ip_name_lookup::ErrorCode::AccessDenied))
    }
}

/// Opening is where a program begins with a file, so that is what its operator is told
/// of; other functions that take a path fail without a word.
fn refuse_files(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    preopens::add_to_linker::<_, HasSelf<State>>(linker, |state| state)?;
    type Parameters = (Resource<Descriptor>, PathFlags, String, OpenFlags, DescriptorFlags);
    linker.instance("wasi:filesystem/types@0.3.0")?.func_wrap_concurrent(
        "[method]descriptor.open-at",
        |store, (fd, path_flags, path, open_flags, flags): Parameters| {
            Box::pin(async move {
                Ok((open_at(store, fd, path_flags, path, open_flags, flags).await?,))
            })
        },
    )
}

async fn open_at(
    store: &Accessor<State>,
    fd: Resource<Descriptor>,
    path_flags: PathFlags,
    path: String,
    open_flags: OpenFlags,
    flags: DescriptorFlags,
) -> wasmtime::Result<Result<Resource<Descriptor>, files::ErrorCode>> {
    if store.with(|mut access| access.get().refuses_path(&fd, "opening", &path)) {
        return Ok(Err(files::ErrorCode::NoEntry));
    }
    let shown = path.clone();
    let files = store.with_getter::<WasiFilesystem>(State::filesystem);
    let opened = WasiFilesystem::open_at(&files, fd, path_flags, path, open_flags, flags).await;
    let error = match opened {
        Ok(opened) => return Ok(Ok(opened)),
        Err(error) => error.downcast()?,
    };
    if matches!(error, files::ErrorCode::NotPermitted | files::ErrorCode::Access) {
        store.with(|mut access| access.get().note_outside("opening", &shown));
    }
    Ok(Err(error))
}

impl preopens::Host for State {
    fn get_directories(&mut self) -> wasmtime::Result<Vec<(Resource<Descriptor>, String)>> {
        preopens_0_2::Host::get_directories(self)
    }
}
