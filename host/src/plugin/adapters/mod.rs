//! Interfaces of others, so that components written against them run unmodified.
//!
//! One file for each. It turns a message of ours into one of theirs, and what
//! they publish and request into the calls that our own imports make: policy,
//! limits, supervision and counts are not known here.

mod budget;
mod handler;
mod logging;
mod outward;
mod wasi_messaging;
mod wasmcloud_0_2;
mod wasmcloud_streams;

use std::fmt;

use wasmtime::component::Linker;

pub(super) use self::handler::{ConcurrentHandler, Handler, HandlerPre, SingleHandler};
pub(super) use self::outward::{Context, text};
use super::loading::engine::Concurrency;
use super::state::State;
use super::wasi::concurrent;

/// An interface of others by which a component takes messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Foreign {
    /// `wasi:messaging@0.2.0-draft`
    WasiMessaging,
    /// `wasmcloud:messaging@0.3.0` with `incoming-handler`
    WasmcloudDraft,
    /// `wasmcloud:messaging@0.3.0` with `handler`: asynchronous
    WasmcloudStreams,
    /// `wasmcloud:messaging@0.2.0`
    Wasmcloud,
}

impl Foreign {
    /// All there are. Where a component exports several, the first one is taken:
    /// those that carry headers come first.
    pub const ALL: [Self; 4] =
        [Self::WasiMessaging, Self::WasmcloudDraft, Self::WasmcloudStreams, Self::Wasmcloud];

    /// The interface that the component exports.
    pub fn export(self) -> &'static str {
        match self {
            Self::WasiMessaging => "wasi:messaging/incoming-handler@0.2.0-draft",
            Self::WasmcloudDraft => "wasmcloud:messaging/incoming-handler@0.3.0",
            Self::WasmcloudStreams => "wasmcloud:messaging/handler@0.3.0",
            Self::Wasmcloud => "wasmcloud:messaging/handler@0.2.0",
        }
    }
}

impl fmt::Display for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.export())
    }
}

/// Interfaces of others that are there to import.
pub(super) const PROVIDED: [&str; 10] = [
    "wasmcloud:messaging/types@0.2.0",
    "wasmcloud:messaging/consumer@0.2.0",
    "wasi:messaging/types@0.2.0-draft",
    "wasi:messaging/producer@0.2.0-draft",
    "wasi:messaging/request-reply@0.2.0-draft",
    "wasmcloud:messaging/types@0.3.0",
    "wasmcloud:messaging/producer@0.3.0",
    "wasmcloud:messaging/request-reply@0.3.0",
    "wasmcloud:messaging/consumer@0.3.0",
    "wasi:logging/logging@0.1.0-draft",
];

/// Why a handler did not handle its message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum HandlerError {
    /// For a reason of its own.
    Failed(String),
    /// It can't be handled, now or later.
    Rejected,
    /// It could be handled later.
    Retry,
}

impl fmt::Display for HandlerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(reason) => f.write_str(reason),
            Self::Rejected => f.write_str("the handler rejected the message"),
            Self::Retry => f.write_str("the handler can't handle the message now"),
        }
    }
}

/// Makes the interfaces known to a linker.
pub(super) fn add_to_linker(
    linker: &mut Linker<State>,
    concurrency: Concurrency,
) -> wasmtime::Result<()> {
    if concurrency == Concurrency::On {
        concurrent::add_to_linker(linker)?;
        wasmcloud_streams::add_to_linker(linker)?;
    }
    logging::add_to_linker(linker)?;
    wasmcloud_0_2::add_to_linker(linker)?;
    for package in wasi_messaging::PACKAGES {
        wasi_messaging::add_to_linker(linker, &package)?;
    }
    Ok(())
}
