//! A connection that several plugins share.

use std::sync::Arc;

use tokio::sync::Mutex;

use super::settings::ClientName;
use crate::connection::{
    Client, ConnectError, ConnectionOptions, ConnectionStatus, Listener, own_inbox_prefix,
};

/// One connection at the server for all plugins that have it in their settings.
/// It is made when the first of them connects, and ends when the last one has
/// closed it. Each has its own subscriptions, requests, inboxes and policy.
#[derive(Clone)]
pub struct SharedConnection(Arc<Shared>);

/// The same one, not only one like it.
impl PartialEq for SharedConnection {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

struct Shared {
    options: ConnectionOptions,
    name: ClientName,
    inbox_prefix: Option<String>,
    current: Mutex<Current>,
}

#[derive(Default)]
struct Current {
    client: Option<Client>,
    /// A connection under a generated name has been made, so its inboxes may
    /// still be known to somebody.
    is_name_used: bool,
}

impl SharedConnection {
    /// A connection with these options, except for its name. Its inbox prefix
    /// follows from that, unless one is chosen.
    pub fn new(options: ConnectionOptions, name: ClientName, inbox_prefix: Option<String>) -> Self {
        Self(Arc::new(Shared { options, name, inbox_prefix, current: Mutex::default() }))
    }

    /// What it is made with.
    pub fn options(&self) -> &ConnectionOptions {
        &self.0.options
    }

    /// Whether another one would be made in the same way.
    pub fn is_like(&self, other: &Self) -> bool {
        let (one, other) = (&*self.0, &*other.0);
        one.options.is_like(&other.options)
            && one.name.is_like(&other.name)
            && one.inbox_prefix == other.inbox_prefix
    }

    /// Connects, or joins those who have.
    pub(super) async fn join<L: Listener + 'static>(
        &self,
        listener: Arc<L>,
    ) -> Result<Client, ConnectError> {
        let Shared { options, name, inbox_prefix, current } = &*self.0;
        // Held while connecting: two plugins that ask at once get one connection.
        let mut current = current.lock().await;
        loop {
            if let Some(client) = &current.client
                && client.status() != ConnectionStatus::Closed
                && let Some(tenant) = client.tenant(Arc::clone(&listener) as Arc<dyn Listener>)
            {
                return Ok(tenant);
            }
            let mut options = options.clone();
            options.name.clone_from(&name.name);
            let is_unique = name.is_generated && !current.is_name_used;
            options.inbox_prefix = match inbox_prefix {
                Some(prefix) => own_inbox_prefix(prefix),
                None => name.inbox_prefix(is_unique),
            };
            current.client = Some(Client::connect(options).await?);
            current.is_name_used = true;
        }
    }
}
