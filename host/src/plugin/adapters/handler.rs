//! The handler that a component exports, whatever its interface.

use wasmtime::Store;
use wasmtime::component::{Component, ComponentExportIndex, Instance, InstancePre};

use super::{Foreign, HandlerError, wasi_messaging, wasmcloud_0_2, wasmcloud_streams};
use crate::plugin::dispatch::mailbox::Mailbox;
use crate::plugin::error::GuestError;
use crate::plugin::loading::bindings_foreign::wasmcloud_0_2::{Messaging, MessagingPre};
use crate::plugin::loading::bindings_foreign::wasmcloud_streams::{
    Messaging as Streams, MessagingPre as StreamsPre,
};
use crate::plugin::scheduling::progress::Progress;
use crate::plugin::state::State;
use crate::protocol::Message;

/// Found in a component, for all its instances.
pub(in crate::plugin) enum HandlerPre {
    Wasmcloud,
    WasmcloudStreams,
    WasiMessaging(ComponentExportIndex),
}

/// That of one instance.
pub(in crate::plugin) enum Handler {
    /// One message at a time.
    Single(SingleHandler),
    /// Several.
    Concurrent(ConcurrentHandler),
}

pub(in crate::plugin) enum SingleHandler {
    Wasmcloud(Messaging),
    WasiMessaging(wasi_messaging::Handler),
}

impl HandlerPre {
    /// Finds the handler, and checks that it has the type it should have.
    ///
    /// # Errors
    /// If not.
    pub(in crate::plugin) fn new(
        foreign: Foreign,
        component: &Component,
        pre: &InstancePre<State>,
    ) -> wasmtime::Result<Self> {
        match foreign {
            Foreign::Wasmcloud => {
                MessagingPre::new(pre.clone())?;
                Ok(Self::Wasmcloud)
            }
            Foreign::WasmcloudStreams => {
                StreamsPre::new(pre.clone())?;
                Ok(Self::WasmcloudStreams)
            }
            Foreign::WasiMessaging | Foreign::WasmcloudDraft => {
                let index = wasi_messaging::find(component, foreign.export());
                let missing =
                    || wasmtime::Error::msg(format!("{foreign} has no function `handle`"));
                index.map(Self::WasiMessaging).ok_or_else(missing)
            }
        }
    }

    pub(in crate::plugin) fn of(
        &self,
        store: &mut Store<State>,
        instance: &Instance,
    ) -> wasmtime::Result<Handler> {
        Ok(match self {
            Self::Wasmcloud => {
                Handler::Single(SingleHandler::Wasmcloud(Messaging::new(store, instance)?))
            }
            Self::WasmcloudStreams => {
                Handler::Concurrent(ConcurrentHandler(Streams::new(store, instance)?))
            }
            Self::WasiMessaging(index) => {
                let handler = wasi_messaging::Handler::new(store, instance, index)?;
                Handler::Single(SingleHandler::WasiMessaging(handler))
            }
        })
    }
}

pub(in crate::plugin) struct ConcurrentHandler(Streams);

impl ConcurrentHandler {
    /// Handles messages until the host is stopping and none are left.
    pub(in crate::plugin) async fn serve(
        &self,
        store: &mut Store<State>,
        mailbox: &Mailbox,
        progress: &Progress,
    ) -> Result<(), GuestError> {
        wasmcloud_streams::serve(store, &self.0, mailbox, progress).await
    }
}

impl SingleHandler {
    /// What logs call it.
    pub(in crate::plugin) fn function(&self) -> &'static str {
        match self {
            Self::Wasmcloud(_) => "handle-message",
            Self::WasiMessaging(_) => "handle",
        }
    }

    /// Handles one message.
    pub(in crate::plugin) async fn handle(
        &self,
        store: &mut Store<State>,
        message: &Message,
    ) -> wasmtime::Result<Result<(), HandlerError>> {
        match self {
            Self::Wasmcloud(guest) => wasmcloud_0_2::handle(guest, store, message).await,
            Self::WasiMessaging(handler) => handler.handle(store, message).await,
        }
    }
}
