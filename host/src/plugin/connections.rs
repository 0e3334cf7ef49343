//! The connections of one plugin: the same server and options give the same one.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;

use super::dispatch::mailbox::{Event, Mailbox};
use super::reporting::reporter::{Lines, Verdict};
use super::settings::ClientName;
use super::shared_connection::SharedConnection;
use crate::connection::{
    Client, ConnectError, ConnectionEvent, ConnectionOptions, ConnectionStatus, Listener,
    own_inbox_prefix,
};
use crate::time;

/// How long a connection may take to hand over what is left when it ends.
pub(super) const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// What decides whether two `connect` calls mean the same connection.
#[derive(Clone, PartialEq)]
pub(super) enum Key {
    Own(Box<OwnKey>),
    /// One that plugins share.
    Shared(SharedConnection),
}

/// That of a connection of the plugin's own.
#[derive(Clone)]
pub(super) struct OwnKey {
    /// What it is made with, names apart.
    pub(super) options: ConnectionOptions,
    pub(super) name: ClientName,
    pub(super) inbox_prefix: Option<String>,
}

impl PartialEq for OwnKey {
    fn eq(&self, other: &Self) -> bool {
        self.options.is_like(&other.options)
            && self.name == other.name
            && self.inbox_prefix == other.inbox_prefix
    }
}

/// One connection, under the number by which guests know it.
#[derive(Clone)]
pub(super) struct Connected {
    pub(super) id: u32,
    pub(super) client: Client,
    events: Arc<Events>,
}

impl Connected {
    pub(super) fn is_closed(&self) -> bool {
        self.client.status() == ConnectionStatus::Closed
    }

    /// Events of the connection go to this mailbox too from now on.
    pub(super) fn notify(&self, mailbox: &Arc<Mailbox>) {
        let mut mailboxes = self.events.mailboxes.lock();
        mailboxes.retain(|known| known.strong_count() > 0);
        let mailbox = Arc::downgrade(mailbox);
        if !mailboxes.iter().any(|known| known.ptr_eq(&mailbox)) {
            mailboxes.push(mailbox);
        }
    }
}

/// All connections of one plugin. They last until the plugin ends.
#[derive(Default)]
pub(super) struct Connections {
    all: Mutex<Vec<(Key, Connected)>>,
    /// Held while connecting: two instances that ask at once get one connection.
    connecting: tokio::sync::Mutex<()>,
    last_id: AtomicU32,
    last_failed: AtomicBool,
    /// A connection under the generated name has been made.
    is_name_used: AtomicBool,
}

impl Connections {
    /// Finds the connection for a key, or makes it.
    pub(super) async fn connect(
        &self,
        key: OwnKey,
        plugin: &str,
    ) -> Result<Connected, ConnectError> {
        self.find_or_open(Key::Own(Box::new(key.clone())), plugin, |events| async move {
            // Two connections with one prefix would take each other's answers, also
            // if one of them is closed by now.
            let is_unique = key.name.is_generated && !self.is_name_used.load(Ordering::Relaxed);
            let is_generated = key.name.is_generated;
            let prefix = match &key.inbox_prefix {
                Some(prefix) => own_inbox_prefix(prefix),
                None => key.name.inbox_prefix(is_unique),
            };
            let mut options = key.options;
            options.name = key.name.name;
            options.inbox_prefix = prefix;
            options.listener = Some(events);
            let client = Client::connect(options).await?;
            if is_generated {
                self.is_name_used.store(true, Ordering::Relaxed);
            }
            Ok(client)
        })
        .await
    }

    /// Joins the connection that plugins share.
    pub(super) async fn join(
        &self,
        shared: &SharedConnection,
        plugin: &str,
    ) -> Result<Connected, ConnectError> {
        let key = Key::Shared(shared.clone());
        self.find_or_open(key, plugin, |events| shared.join(events)).await
    }

    async fn find_or_open<F>(
        &self,
        key: Key,
        plugin: &str,
        open: impl FnOnce(Arc<Events>) -> F,
    ) -> Result<Connected, ConnectError>
    where
        F: Future<Output = Result<Client, ConnectError>>,
    {
        let _connecting = self.connecting.lock().await;
        if let Some(connected) = self.find(&key) {
            return Ok(connected);
        }
        let id = self.last_id.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        let events = Arc::new(Events {
            id,
            plugin: plugin.to_owned(),
            mailboxes: Mutex::default(),
            refusals: Mutex::default(),
        });
        let client = open(Arc::clone(&events)).await;
        self.last_failed.store(client.is_err(), Ordering::Relaxed);
        let client = client?;
        tracing::info!(plugin, server = client.server(), name = client.name(), "connected");
        let connected = Connected { id, client, events };
        self.all.lock().push((key, connected.clone()));
        Ok(connected)
    }

    fn find(&self, key: &Key) -> Option<Connected> {
        let mut all = self.all.lock();
        all.retain(|(_, connected)| !connected.is_closed());
        all.iter().find(|(known, _)| known == key).map(|(_, connected)| connected.clone())
    }

    /// Whether this key needs a connection more than there may be.
    pub(super) fn is_full_for(&self, key: &Key, limit: usize) -> bool {
        let all = self.all.lock();
        let open = all.iter().filter(|(_, one)| !one.is_closed());
        open.clone().count() >= limit && !open.clone().any(|(known, _)| known == key)
    }

    /// Whether the last attempt to make one did not succeed.
    pub(super) fn last_failed(&self) -> bool {
        self.last_failed.load(Ordering::Relaxed)
    }

    /// Those that are open.
    pub(super) fn all(&self) -> Vec<Connected> {
        let all = self.all.lock();
        all.iter().map(|(_, one)| one).filter(|one| !one.is_closed()).cloned().collect()
    }

    /// Ends those that no instance has any more.
    pub(super) async fn close_unused(&self, timeout: Duration) {
        let mut unused = self.all();
        unused.retain(|connected| !connected.events.has_listener());
        for connected in unused {
            connected.client.close(timeout).await;
        }
    }

    /// Brings what was published to the servers, and ends all of them.
    pub(super) async fn close_all(&self, timeout: Duration) {
        for connected in self.all() {
            connected.client.close(timeout).await;
        }
    }
}

/// Passes what happens to a connection on to the instances that use it.
struct Events {
    id: u32,
    plugin: String,
    mailboxes: Mutex<Vec<Weak<Mailbox>>>,
    /// What the server refuses, which a guest can have as often as it likes.
    refusals: Mutex<Lines>,
}

impl Listener for Events {
    fn event(&self, event: &ConnectionEvent) {
        self.log(event);
        for mailbox in self.mailboxes.lock().iter().filter_map(Weak::upgrade) {
            match event {
                // Said once what was delivered before has been handled.
                ConnectionEvent::Drained => mailbox.push_event_in_order(self.id, Event::Drained),
                event => mailbox.push_event(self.id, Event::Connection(event.clone())),
            }
        }
    }
}

impl Events {
    fn has_listener(&self) -> bool {
        self.mailboxes.lock().iter().any(|mailbox| mailbox.strong_count() > 0)
    }

    fn log(&self, event: &ConnectionEvent) {
        let plugin = self.plugin.as_str();
        if event.is_refusal() {
            match self.refusals.lock().take(time::now()) {
                Verdict::Log { silenced: 0 } => {}
                Verdict::Log { silenced } => {
                    tracing::warn!(plugin, silenced, "more errors of the server were not logged");
                }
                Verdict::Silence => return,
            }
        }
        match event {
            ConnectionEvent::Disconnected(reason) => {
                tracing::warn!(plugin, reason, "disconnected, reconnecting");
            }
            ConnectionEvent::Reconnected(server) => tracing::info!(plugin, server, "reconnected"),
            ConnectionEvent::Closed(reason) => {
                tracing::info!(plugin, reason, "connection closed");
            }
            ConnectionEvent::LameDuck => {
                tracing::info!(plugin, "the server is going to shut down");
            }
            ConnectionEvent::PublishRefused { subject, text } => {
                tracing::warn!(plugin, subject, text, "publish refused by the server");
            }
            ConnectionEvent::ServerError(error) => {
                tracing::warn!(plugin, %error, "the server reported an error");
            }
            other => tracing::debug!(plugin, event = ?other, "connection event"),
        }
    }
}
