//! The resource `client`, and sending with it. Every name means the connection
//! that the host has for the plugin.

use wasmtime::StoreContextMut;
use wasmtime::component::{Linker, Resource, ResourceType};

use super::message::{Held, Message};
use super::{Error, Package};
use crate::plugin::imports::write_headers;
use crate::plugin::state::State;

/// A connection as guests see it.
#[derive(Debug)]
pub(super) struct Client {
    is_connected: bool,
}

impl State {
    pub(super) fn check_connected(
        &mut self,
        client: &Resource<Client>,
    ) -> wasmtime::Result<Result<(), Error>> {
        Ok(match self.table().get(client)?.is_connected {
            true => Ok(()),
            false => Err(Error::Connection("this client has disconnected".to_owned())),
        })
    }

    /// Sends a message that the guest has given away.
    pub(super) async fn send_message(
        &mut self,
        subject: &str,
        message: Message,
    ) -> Result<(), Error> {
        let headers = write_headers(&self.plugin, &message.headers())?;
        Ok(self.send(subject, None, &headers, message.data()).await?)
    }
}

pub(super) fn add_to_linker(linker: &mut Linker<State>, package: &Package) -> wasmtime::Result<()> {
    let mut instance = linker.instance(package.types)?;
    instance.resource("client", ResourceType::host::<Client>(), |mut store, rep| {
        store.data_mut().table().delete(Resource::<Client>::new_own(rep))?;
        Ok(())
    })?;
    instance.func_wrap_async(
        "[static]client.connect",
        |mut store: StoreContextMut<'_, State>, (_name,): (String,)| {
            Box::new(async move {
                let state = store.data_mut();
                Ok((match state.own_connection().await {
                    Ok(_) => Ok(state.table().push(Client { is_connected: true })?),
                    Err(error) => Err(Error::from(error)),
                },))
            })
        },
    )?;
    instance.func_wrap(
        "[method]client.disconnect",
        |mut store: StoreContextMut<'_, State>, (client,): (Resource<Client>,)| {
            store.data_mut().table().get_mut(&client)?.is_connected = false;
            Ok((Ok::<(), Error>(()),))
        },
    )?;
    let mut instance = linker.instance(package.producer)?;
    instance.func_wrap_async(
        "send",
        |mut store: StoreContextMut<'_, State>,
         (client, topic, message): (Resource<Client>, String, Resource<Held>)| {
            Box::new(async move {
                let state = store.data_mut();
                let message = state.release(message)?;
                Ok((match state.check_connected(&client)? {
                    Ok(()) => state.send_message(&topic, message).await,
                    Err(error) => Err(error),
                },))
            })
        },
    )
}
