//! WASI for guests: clocks, random numbers, what they print, and what their
//! operator grants. All of its interfaces are there, since components of some
//! languages import them whether they use them or not; what is not granted is
//! refused when it is used, and the operator learns what was tried.

mod clocks;
pub(super) mod concurrent;
mod filesystem;
pub(super) mod http;
mod poll;
mod random;
mod sockets;
pub(super) mod stdio;

use std::path::PathBuf;
use std::sync::Arc;

use thiserror::Error;
use wasmtime::component::{HasSelf, Linker};
use wasmtime_wasi::p2::bindings::filesystem::{preopens, types};
use wasmtime_wasi::p2::bindings::sockets::{ip_name_lookup, tcp_create_socket, udp_create_socket};
use wasmtime_wasi::{FsPerms, WasiCtx, WasiCtxBuilder};
use wasmtime_wasi_config::WasiConfig;

use self::stdio::GuestLog;
use super::reporting::event::PluginEvent;
use super::settings::PluginSettings;
use super::state::{Shared, State};

/// Random bytes of one call. More are a way to keep the host busy.
const MAX_RANDOM_BYTES: u64 = 1 << 20;

/// A directory of the host that a guest may use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directory {
    /// Where it is.
    pub host: PathBuf,
    /// Under which name the guest sees it.
    pub guest: String,
    /// Whether the guest may change anything in it.
    pub is_writable: bool,
}

/// A granted directory can't be opened.
#[derive(Debug, Error)]
#[error("open directory {}: {reason}", path.display())]
pub struct DirectoryError {
    path: PathBuf,
    reason: String,
}

/// Makes WASI 0.2 known to the linker.
pub(super) fn add_to_linker(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    wasmtime_wasi::p2::add_to_linker_async(linker)?;
    wasmtime_wasi_config::add_to_linker(linker, |state| {
        WasiConfig::from(&state.plugin.config_variables)
    })?;
    // These take the place of their like.
    linker.allow_shadowing(true);
    clocks::add_to_linker(linker)?;
    poll::add_to_linker(linker)?;
    let same: fn(&mut State) -> &mut State = |state| state;
    preopens::add_to_linker::<_, HasSelf<State>>(linker, same)?;
    types::add_to_linker::<_, HasSelf<State>>(linker, same)?;
    tcp_create_socket::add_to_linker::<_, HasSelf<State>>(linker, same)?;
    udp_create_socket::add_to_linker::<_, HasSelf<State>>(linker, same)?;
    ip_name_lookup::add_to_linker::<_, HasSelf<State>>(linker, same)?;
    linker.allow_shadowing(false);
    Ok(())
}

/// A plugin's view of the system. What it prints goes to the log.
///
/// # Errors
/// If a directory that it may use can't be opened.
pub(super) fn plugin_context(plugin: &Arc<Shared>) -> Result<WasiCtx, DirectoryError> {
    let mut builder = confined(&plugin.settings)?;
    builder.args(&plugin.settings.arguments);
    builder.stdout(GuestLog::new(plugin, "stdout")).stderr(GuestLog::new(plugin, "stderr"));
    Ok(builder.build())
}

/// A command's: it prints where the host prints, like any other program.
///
/// # Errors
/// If a directory that it may use can't be opened.
pub(super) fn command_context(settings: &PluginSettings) -> Result<WasiCtx, DirectoryError> {
    let mut builder = confined(settings)?;
    builder.arg(&settings.name).args(&settings.arguments).inherit_stdout().inherit_stderr();
    Ok(builder.build())
}

fn confined(settings: &PluginSettings) -> Result<WasiCtxBuilder, DirectoryError> {
    let mut builder = WasiCtxBuilder::new();
    builder.allow_tcp(false).allow_udp(false).allow_ip_name_lookup(false);
    builder.max_random_size(MAX_RANDOM_BYTES);
    clocks::provide(&mut builder);
    if let Some(seed) = settings.random_seed {
        random::foretell(&mut builder, seed);
    }
    builder.envs(&settings.environment).allow_blocking_current_thread(settings.files_block);
    for directory in &settings.directories {
        let permissions =
            if directory.is_writable { FsPerms::ReadWrite } else { FsPerms::ReadOnly };
        let opened = builder.preopened_dir(&directory.host, &directory.guest, permissions);
        opened.map_err(|error| DirectoryError {
            path: directory.host.clone(),
            reason: error.root_cause().to_string(),
        })?;
    }
    Ok(builder)
}

/// What is shown of a guest's text, which may be of any length.
fn begin(text: &str) -> &str {
    const MAX_BYTES: usize = 512;
    text.get(..text.floor_char_boundary(MAX_BYTES)).unwrap_or(text)
}

impl State {
    /// The guest tried what WASI has and its operator did not grant.
    fn refuse_wasi(&self, what: impl Into<String>) {
        self.plugin.report(PluginEvent::Refused { what: what.into() });
    }
}
