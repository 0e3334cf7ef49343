//! `simple-nats:client/client`.

use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use crate::connection::{AddressError, ConnectionOptions, Credentials, ServerAddress};
use crate::plugin::connections::{CLOSE_TIMEOUT, Connected, Key, OwnKey};
use crate::plugin::dispatch::mailbox::Event;
use crate::plugin::loading::bindings::client::{ConnectOptions, Host};
use crate::plugin::loading::bindings::types::{self, Error};
use crate::plugin::settings::ClientName;
use crate::plugin::state::{Shared, State};
use crate::protocol::{SubjectPattern, check_client_name, check_inbox_prefix};

impl Host for State {
    async fn connect(
        &mut self,
        server: Option<String>,
        options: ConnectOptions,
    ) -> Result<u32, Error> {
        let plugin = Arc::clone(&self.plugin);
        let connected = connect_apart(plugin, server, options).await?;
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
        let pending = self.mailbox.pending();
        Ok(types::Statistics {
            in_messages: counters.in_messages,
            in_bytes: counters.in_bytes,
            out_messages: counters.out_messages,
            out_bytes: counters.out_bytes,
            dropped_messages: client.dropped_messages(),
            reconnects: counters.reconnects,
            subscriptions: saturate(client.subscription_count()),
            requests_in_flight: saturate(client.requests_in_flight()),
            pending_messages: pending.messages as u64,
            pending_bytes: pending.bytes as u64,
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
        self.connections.get(&id).ok_or(Error::UnknownClient(id))
    }

    fn remember(&mut self, connected: Connected) -> u32 {
        let id = connected.id;
        self.connections.retain(|_, known| !known.is_closed());
        if let Entry::Vacant(place) = self.connections.entry(id) {
            connected.notify(&self.mailbox);
            self.mailbox.push_event(id, Event::Connected(connected.client.server()));
            place.insert(connected);
        }
        id
    }
}

impl Shared {
    /// Finds or makes the connection that a guest asks for.
    async fn connect(
        &self,
        server: Option<String>,
        options: ConnectOptions,
    ) -> Result<Connected, Error> {
        let settings = &self.settings;
        let max_connections = settings.limits.max_connections;
        let is_plain = server.is_none()
            && options.client_name.is_none()
            && options.inbox_prefix.is_none()
            && !options.no_echo;
        if let Some(shared) = settings.shared_connection.as_ref().filter(|_| is_plain) {
            if self.connections.is_full_for(&Key::Shared(shared.clone()), max_connections) {
                return Err(self.no_connection_more());
            }
            return Ok(self.connections.join(shared, &settings.name).await?);
        }
        let mut template = match server {
            None => ConnectionOptions::clone(&self.connection),
            Some(server) => self.connection_to(&server)?,
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
            if inbox_prefix != settings.inbox_prefix {
                self.check_inbox_prefix(prefix)?;
            }
        }
        template.no_echo |= options.no_echo;
        let key = OwnKey { options: template, name, inbox_prefix };
        if self.connections.is_full_for(&Key::Own(Box::new(key.clone())), max_connections) {
            return Err(self.no_connection_more());
        }
        Ok(self.connections.connect(key, &settings.name).await?)
    }

    fn no_connection_more(&self) -> Error {
        let limit = self.settings.limits.max_connections;
        self.exceeded("connections", limit, limit.saturating_add(1), limit)
    }

    /// Under a prefix of its own choice a guest gets what arrives there, so it
    /// must be allowed to subscribe to that.
    fn check_inbox_prefix(&self, prefix: &str) -> Result<(), Error> {
        let pattern = format!("{prefix}.>");
        let allowed = self.settings.policy.may_subscribe(SubjectPattern::new(&pattern)?);
        allowed.or_else(|denied| self.refuse(denied))
    }

    /// How to connect to a server that a guest names: the host's own, or one that
    /// the policy permits. That one gets nothing of what the host logs in with.
    fn connection_to(&self, text: &str) -> Result<ConnectionOptions, Error> {
        let address: ServerAddress =
            text.parse().map_err(|error: AddressError| Error::ConnectFailed(error.to_string()))?;
        let mut options = ConnectionOptions::clone(&self.connection);
        let own = options.servers.iter().find(|own| own.is_same_server(&address));
        if let Some(own) = own
            && address.login().is_none()
        {
            options.servers = vec![own.clone()];
            return Ok(options);
        }
        let allowed = self.settings.policy.may_connect(address.host(), address.port());
        allowed.or_else(|denied| self.refuse(denied))?;
        options.servers = vec![address];
        options.credentials = Credentials::None;
        options.tls.identity = None;
        Ok(options)
    }
}

/// Connects on a task of its own. That takes a deep stack, and the one of the guest, on
/// which this is called, would keep what it once needed.
async fn connect_apart(
    plugin: Arc<Shared>,
    server: Option<String>,
    options: ConnectOptions,
) -> Result<Connected, Error> {
    // Dropping it ends the task.
    let mut connecting = JoinSet::new();
    // It becomes the future of connecting, which is large, only over there.
    connecting.spawn(async move { Box::pin(plugin.connect(server, options)).await });
    match connecting.join_next().await {
        Some(Ok(outcome)) => outcome,
        Some(Err(error)) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        // The runtime is going down, and whoever waits for this with it.
        _ => std::future::pending().await,
    }
}

fn saturate(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
