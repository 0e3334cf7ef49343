//! `wasi:messaging@0.2.0-draft`, and `wasmcloud:messaging@0.3.0` in its first
//! meaning, which is the same under another name: messages are resources.
//!
//! Linked by hand, so that both packages share one implementation. Metadata are
//! NATS headers; the content type is the header `Content-Type`.

mod client;
mod message;
mod request;

use wasmtime::component::{
    Component, ComponentExportIndex, ComponentType, Lift, Linker, Lower, Resource, TypedFunc,
};
use wasmtime::{AsContextMut, Store};

use self::message::{Held, Message};
use super::HandlerError;
use super::outward::text;
use crate::plugin::loading::bindings::types;
use crate::plugin::state::State;
use crate::protocol;

/// The names of one package.
pub(super) struct Package {
    types: &'static str,
    producer: &'static str,
    request_reply: &'static str,
}

pub(super) const PACKAGES: [Package; 2] = [
    Package {
        types: "wasi:messaging/types@0.2.0-draft",
        producer: "wasi:messaging/producer@0.2.0-draft",
        request_reply: "wasi:messaging/request-reply@0.2.0-draft",
    },
    Package {
        types: "wasmcloud:messaging/types@0.3.0",
        producer: "wasmcloud:messaging/producer@0.3.0",
        request_reply: "wasmcloud:messaging/request-reply@0.3.0",
    },
];

#[derive(Debug, Clone, ComponentType, Lift, Lower)]
#[component(variant)]
enum Error {
    #[component(name = "timeout")]
    Timeout,
    #[component(name = "connection")]
    Connection(String),
    #[component(name = "permission-denied")]
    PermissionDenied(String),
    #[component(name = "other")]
    Other(String),
}

impl From<types::Error> for Error {
    fn from(error: types::Error) -> Self {
        match error {
            types::Error::Timeout => Self::Timeout,
            types::Error::PermissionDenied(text) => Self::PermissionDenied(text),
            types::Error::ConnectFailed(_)
            | types::Error::ConnectionLost
            | types::Error::Closed
            | types::Error::UnknownClient(_) => Self::Connection(text(error)),
            other => Self::Other(text(other)),
        }
    }
}

impl Error {
    fn into_reason(self) -> String {
        match self {
            Self::Timeout => "time-out".to_owned(),
            Self::Connection(reason) => format!("connection: {reason}"),
            Self::PermissionDenied(reason) => format!("permission denied: {reason}"),
            Self::Other(reason) => reason,
        }
    }
}

pub(super) fn add_to_linker(linker: &mut Linker<State>, package: &Package) -> wasmtime::Result<()> {
    client::add_to_linker(linker, package)?;
    message::add_to_linker(linker, package)?;
    request::add_to_linker(linker, package)
}

type Handle = TypedFunc<(Resource<Held>,), (Result<(), Error>,)>;

/// The exported handler of one instance.
pub(in crate::plugin) struct Handler(Handle);

/// Where a component has its handler.
pub(super) fn find(component: &Component, interface: &str) -> Option<ComponentExportIndex> {
    let interface = component.get_export_index(None, interface)?;
    component.get_export_index(Some(&interface), "handle")
}

impl Handler {
    pub(super) fn new(
        store: &mut Store<State>,
        instance: &wasmtime::component::Instance,
        index: &ComponentExportIndex,
    ) -> wasmtime::Result<Self> {
        instance.get_typed_func(store, index).map(Self)
    }

    /// Calls the handler.
    pub(super) async fn handle(
        &self,
        store: &mut Store<State>,
        message: &protocol::Message,
    ) -> wasmtime::Result<Result<(), HandlerError>> {
        let message = store.data_mut().hold(Message::received(message))?;
        let (outcome,) = self.0.call_async(store.as_context_mut(), (message,)).await?;
        Ok(outcome.map_err(|error| HandlerError::Failed(error.into_reason())))
    }
}
