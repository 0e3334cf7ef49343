//! `simple-nats:client/client`.

use std::time::Duration;

use crate::connection::{ConnectionOptions, ServerAddress};
use crate::plugin::bindings::client::{ConnectOptions, Host};
use crate::plugin::bindings::types::{self, Error};
use crate::plugin::connections::{CLOSE_TIMEOUT, Connected, Key};
use crate::plugin::mailbox::Event;
use crate::plugin::settings::ClientName;
use crate::plugin::state::{Shared, State};
use crate::protocol::{check_client_name, check_inbox_prefix};

impl Host for State {
    async fn connect(
        &mut self,
        server: Option<String>,
        options: ConnectOptions,
    ) -> Result<u32, Error> {
        let settings = self.settings();
        let servers = match server {
            None => self.plugin.servers.clone(),
            Some(server) => vec![permitted_server(&self.plugin, &server)?],
        };
        let name = match options.client_name {
            None => settings.client_name.clone(),
            Some(name) => {
                check_client_name(&name).map_err(|error| Error::NameInvalid(error.to_string()))?;
                if name == settings.client_name.name {
                    settings.client_name.clone()
                } else {
                    ClientName::chosen(name)
                }
            }
        };
        let inbox_prefix = options.inbox_prefix.or_else(|| settings.inbox_prefix.clone());
        if let Some(prefix) = &inbox_prefix {
            check_inbox_prefix(prefix).map_err(|error| Error::NameInvalid(error.to_string()))?;
        }
        let key = Key { servers, name: name.name.clone(), inbox_prefix, no_echo: options.no_echo };
        let max_connections = settings.limits.max_connections;
        if self.plugin.connections.is_full_for(&key, max_connections).await {
            return Err(quota("connections", max_connections));
        }
        let connected = self
            .plugin
            .connections
            .connect(key, &self.settings().name, |key| {
                let mut options = ConnectionOptions::new(key.servers.clone(), key.name.as_str());
                options.inbox_prefix =
                    key.inbox_prefix.clone().unwrap_or_else(|| name.inbox_prefix());
                options.no_echo = key.no_echo;
                options
            })
            .await?;
        Ok(self.remember(connected))
    }

    fn name(&mut self, client: u32) -> Result<String, Error> {
        self.known(client).map(|connected| connected.client.name().to_owned())
    }

    fn server_info(&mut self, client: u32) -> Result<types::ServerInfo, Error> {
        let info = self.known(client)?.client.server_info();
        info.map(|info| (&*info).into()).ok_or(Error::Closed)
    }

    fn connection_status(&mut self, client: u32) -> Result<types::ConnectionStatus, Error> {
        self.known(client).map(|connected| connected.client.status().into())
    }

    fn statistics(&mut self, client: u32) -> Result<types::Statistics, Error> {
        let client = &self.known(client)?.client;
        let counters = client.statistics();
        let dropped =
            self.subscriptions.values().map(|subscription| subscription.counts().dropped);
        let (pending_messages, pending_bytes) = self.mailbox.pending();
        Ok(types::Statistics {
            in_messages: counters.in_messages,
            in_bytes: counters.in_bytes,
            out_messages: counters.out_messages,
            out_bytes: counters.out_bytes,
            dropped_messages: dropped.sum(),
            reconnects: counters.reconnects,
            subscriptions: saturate(client.subscription_count()),
            requests_in_flight: saturate(client.requests_in_flight()),
            pending_messages,
            pending_bytes,
        })
    }

    fn new_inbox(&mut self, client: u32) -> Result<String, Error> {
        self.known(client).map(|connected| connected.client.new_inbox())
    }

    async fn flush(&mut self, client: u32, timeout_ms: u32) -> Result<(), Error> {
        let client = self.known(client)?.client.clone();
        Ok(client.flush(Duration::from_millis(timeout_ms.into())).await?)
    }

    async fn rtt(&mut self, client: u32, timeout_ms: u32) -> Result<u64, Error> {
        let client = self.known(client)?.client.clone();
        let rtt = client.rtt(Duration::from_millis(timeout_ms.into())).await?;
        Ok(u64::try_from(rtt.as_nanos()).unwrap_or(u64::MAX))
    }

    fn drain(&mut self, client: u32) -> Result<(), Error> {
        self.known(client)?.client.drain();
        Ok(())
    }

    fn close(&mut self, client: u32) {
        let Ok(connected) = self.known(client) else { return };
        tokio::spawn(connected.client.close(CLOSE_TIMEOUT));
        self.mailbox.discard(|incoming| incoming.client == client);
    }
}

impl State {
    /// The connection with this number.
    pub(super) fn known(&self, id: u32) -> Result<&Connected, Error> {
        self.connection(id).ok_or(Error::UnknownClient(id))
    }

    fn remember(&mut self, connected: Connected) -> u32 {
        let id = connected.id;
        let index = usize::try_from(id.saturating_sub(1)).unwrap_or(usize::MAX);
        if self.connections.len() <= index {
            self.connections.resize(index.saturating_add(1), None);
        }
        if let Some(place) = self.connections.get_mut(index)
            && place.is_none()
        {
            connected.notify(&self.mailbox);
            self.mailbox.push_event(id, Event::Connected(connected.client.server()));
            *place = Some(connected);
        }
        id
    }
}

/// A server that a guest names: the host's own, or one that the policy permits.
fn permitted_server(plugin: &Shared, text: &str) -> Result<ServerAddress, Error> {
    let address: ServerAddress =
        text.parse().map_err(|error: crate::connection::AddressError| {
            Error::ConnectFailed(error.to_string())
        })?;
    let own = plugin.servers.iter().find(|own| own.is_same_server(&address));
    if let Some(own) = own
        && address.login().is_none()
    {
        return Ok(own.clone());
    }
    match plugin.settings.policy.may_connect(address.host(), address.port()) {
        Ok(()) => Ok(address),
        Err(denied) => Err(plugin.refuse(denied)),
    }
}

pub(super) fn quota(what: &str, limit: usize) -> Error {
    Error::QuotaExceeded(format!("{what}: the limit is {limit}"))
}

fn saturate(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
