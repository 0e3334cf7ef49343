//! The handle of a plugin: its state, and what can be done with it while it runs.

use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::watch;

use super::seat::InstanceStatus;
use super::supervisor::GivenUp;
use super::version::Version;
use crate::connection::{Client, ConnectionOptions};
use crate::plugin::connections::{CLOSE_TIMEOUT, Connections};
use crate::plugin::dispatch::subscriptions::Subscriptions;
use crate::plugin::error::StartError;
use crate::plugin::loading::component::Kind;
use crate::plugin::loading::linkers::Linkers;
use crate::plugin::loading::loaded::{self, Loaded};
use crate::plugin::reporting::event::{Observer, PluginEvent};
use crate::plugin::reporting::info::{InstanceInfo, PluginInfo, PluginStatus};
use crate::plugin::reporting::reporter::Reporter;
use crate::plugin::scheduling::shard::Placement;
use crate::plugin::settings::{ComponentSource, PluginSettings};
use crate::plugin::state::Shared;
use crate::time;

/// A plugin of a host. Cheap to clone; all clones are the same plugin.
///
/// What is done with a plugin is done one after the other, and to its end also if
/// its future is dropped, except for its first start.
#[derive(Clone)]
pub struct Plugin(Arc<Inner>);

struct Inner {
    name: String,
    linkers: Arc<Linkers>,
    placement: Placement,
    reporter: Arc<Reporter>,
    connections: Arc<Connections>,
    subscriptions: Arc<Subscriptions>,
    status: watch::Sender<PluginStatus>,
    present: Mutex<Present>,
    /// Held while something is done with the plugin.
    operation: tokio::sync::Mutex<()>,
}

/// What it is run with, and the version that serves.
struct Present {
    settings: Arc<PluginSettings>,
    connection: Arc<ConnectionOptions>,
    loaded: Option<Arc<Loaded>>,
    version: Option<Arc<Version>>,
    last_number: u32,
}

impl Plugin {
    pub(in crate::plugin) fn new(
        settings: PluginSettings,
        connection: ConnectionOptions,
        linkers: Arc<Linkers>,
        placement: Placement,
        observer: Option<Observer>,
    ) -> Self {
        let reporter = Arc::new(Reporter::new(&settings.name, observer));
        Self(Arc::new(Inner {
            name: settings.name.clone(),
            linkers,
            placement,
            connections: Arc::default(),
            subscriptions: Arc::new(Subscriptions::new(Arc::clone(&reporter))),
            reporter,
            status: watch::Sender::new(PluginStatus::Starting),
            present: Mutex::new(Present {
                settings: Arc::new(settings),
                connection: Arc::new(connection),
                loaded: None,
                version: None,
                last_number: 0,
            }),
            operation: tokio::sync::Mutex::default(),
        }))
    }

    /// What logs call it, and how a host finds it.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Where its component comes from.
    pub fn component(&self) -> ComponentSource {
        self.0.present.lock().settings.component.clone()
    }

    /// What it is doing.
    pub fn status(&self) -> PluginStatus {
        let status = self.0.status.borrow().clone();
        if status != PluginStatus::Serving {
            return status;
        }
        let Some(version) = self.0.version() else { return status };
        let seats = version.seats();
        let has = |status| seats.iter().any(|seat| seat.place.status() == status);
        if has(InstanceStatus::BackingOff) && !has(InstanceStatus::Serving) {
            return PluginStatus::BackingOff;
        }
        status
    }

    /// What it is doing, in detail. Waits for nothing, so that it shows a plugin
    /// that hangs, too.
    pub fn info(&self) -> PluginInfo {
        let inner = &*self.0;
        let (version, settings) = {
            let present = inner.present.lock();
            (present.version.clone(), present.settings.clone())
        };
        let mut counts = inner.reporter.counts();
        let seats = version.as_ref().map(|version| version.seats()).unwrap_or_default();
        let instances = seats.iter().map(|seat| {
            let waiting = seat.place.mailbox.pending();
            let messages = seat.place.mailbox.handled();
            counts.messages += messages;
            InstanceInfo {
                number: seat.number,
                status: seat.place.status(),
                shard: seat.shard,
                messages,
                waiting_messages: waiting.messages as u64,
                waiting_bytes: waiting.bytes as u64,
            }
        });
        PluginInfo {
            name: inner.name.clone(),
            status: self.status(),
            version: version.as_ref().map_or(0, |version| version.number),
            instances: instances.collect(),
            instance_count: settings.instances.to_string(),
            connections: inner.connections.all().iter().map(Into::into).collect(),
            memory_bytes: inner.reporter.memory_bytes(),
            limits: settings.limits.list(),
            counts,
        }
    }

    /// Its connections that are open.
    pub(crate) fn clients(&self) -> Vec<Client> {
        self.0.connections.all().into_iter().map(|connected| connected.client).collect()
    }

    /// Waits until it is quarantined; answers why.
    pub async fn quarantined(&self) -> String {
        let mut status = self.0.status.subscribe();
        loop {
            if let PluginStatus::Quarantined { reason } = &*status.borrow_and_update() {
                return reason.clone();
            }
            if status.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// Starts it for the first time, its component loaded or not.
    pub(in crate::plugin) async fn begin(
        &self,
        loaded: Option<Arc<Loaded>>,
    ) -> Result<(), StartError> {
        let inner = &self.0;
        let _operation = inner.operation.lock().await;
        let (settings, connection) = inner.given();
        let started = async {
            let loaded = match loaded {
                Some(loaded) => loaded,
                None => inner.load(&settings).await?,
            };
            Inner::replace(inner, loaded, settings, connection).await
        };
        match started.await {
            Ok(instances) => {
                inner.reporter.report(&PluginEvent::Ready { instances });
                Ok(())
            }
            Err(error) => {
                inner.start_failed(&error);
                inner.connections.close_all(CLOSE_TIMEOUT).await;
                Err(error)
            }
        }
    }

    /// Loads its component anew and lets the new version take over: it is started
    /// beside the old one, gets its subscriptions, and the old one works off what
    /// it has and ends. No message and no request is lost.
    ///
    /// # Errors
    /// If the new version can't be loaded or does not start. Then the old one, if
    /// there is one that serves, goes on as if nothing had happened.
    pub async fn reload(&self) -> Result<(), StartError> {
        let (settings, connection) = self.0.given();
        self.replace(PluginSettings::clone(&settings), ConnectionOptions::clone(&connection)).await
    }

    /// Like [`reload`](Self::reload), with other settings. A name that was
    /// generated stays, and so does the name of the plugin.
    ///
    /// # Errors
    /// As for [`reload`](Self::reload).
    pub async fn replace(
        &self,
        mut settings: PluginSettings,
        connection: ConnectionOptions,
    ) -> Result<(), StartError> {
        settings.check()?;
        let inner = Arc::clone(&self.0);
        self.to_the_end(async move {
            let _operation = inner.operation.lock().await;
            settings.name.clone_from(&inner.name);
            let name = inner.present.lock().settings.client_name.clone();
            if settings.client_name.is_generated && name.is_generated {
                settings.client_name = name;
            }
            let replaced = async {
                let loaded = inner.load(&settings).await?;
                Inner::replace(&inner, loaded, Arc::new(settings), Arc::new(connection)).await
            };
            inner.tell_of_replacement(replaced.await)
        })
        .await
    }

    /// Whether it serves with such settings and such a connection, and with what is in
    /// its component now, so that [`replace`](Self::replace) would change nothing.
    pub async fn is_run_with(
        &self,
        settings: &PluginSettings,
        connection: &ConnectionOptions,
    ) -> bool {
        let loaded = {
            let present = self.0.present.lock();
            let is_like =
                present.settings.is_like(settings) && present.connection.is_like(connection);
            present.loaded.clone().filter(|_| is_like && present.version.is_some())
        };
        match loaded {
            Some(loaded) => !loaded::has_changed(&loaded, settings).await,
            None => false,
        }
    }

    /// Replaces its instances by fresh ones of the same code, in the way of
    /// [`reload`](Self::reload). One that is quarantined or stopped is started.
    ///
    /// # Errors
    /// As for [`reload`](Self::reload).
    pub async fn restart(&self) -> Result<(), StartError> {
        let inner = Arc::clone(&self.0);
        self.to_the_end(async move {
            let _operation = inner.operation.lock().await;
            let (settings, connection) = inner.given();
            let loaded = inner.present.lock().loaded.clone();
            let replaced = async {
                let loaded = match loaded {
                    Some(loaded) => loaded,
                    None => inner.load(&settings).await?,
                };
                Inner::replace(&inner, loaded, settings, connection).await
            };
            inner.tell_of_replacement(replaced.await)
        })
        .await
    }

    /// Ends the plugin cleanly, all within `deadline`: nothing new comes from the
    /// server, what was delivered is handled, `stop` runs, what was published
    /// reaches the server, the connections close. Answers whether there was time
    /// for all of it. It stays in the list of the host and can be restarted.
    pub async fn drain(&self, deadline: Duration) -> bool {
        let inner = Arc::clone(&self.0);
        let drained = self.to_the_end(async move { Ok(inner.drain(deadline).await) }).await;
        drained.unwrap_or(false)
    }

    /// Runs something with the plugin that must not be cut short.
    async fn to_the_end<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, StartError>> + Send + 'static,
    ) -> Result<T, StartError> {
        let (_, runtime) = self.0.placement.of(0).ok_or(StartError::HostGone)?;
        runtime.spawn(work).await.unwrap_or(Err(StartError::HostGone))
    }

    /// Its host is gone, and has taken the instances along.
    pub(in crate::plugin) fn host_gone(&self) {
        self.0.status.send_replace(PluginStatus::Stopped);
    }
}

impl Inner {
    fn version(&self) -> Option<Arc<Version>> {
        self.present.lock().version.clone()
    }

    fn given(&self) -> (Arc<PluginSettings>, Arc<ConnectionOptions>) {
        let present = self.present.lock();
        (Arc::clone(&present.settings), Arc::clone(&present.connection))
    }

    async fn load(&self, settings: &PluginSettings) -> Result<Arc<Loaded>, StartError> {
        loaded::load(&self.linkers, settings, &self.reporter).await
    }

    /// Starts a version and lets it take over from the one that serves. Answers
    /// how many instances it has.
    async fn replace(
        this: &Arc<Self>,
        loaded: Arc<Loaded>,
        settings: Arc<PluginSettings>,
        connection: Arc<ConnectionOptions>,
    ) -> Result<usize, StartError> {
        if loaded.kind == Kind::Command {
            let plugin = this.name.clone();
            return Err(StartError::WrongKind { plugin, is: "command", wanted: "plugin" });
        }
        let number = {
            let mut present = this.present.lock();
            present.last_number += 1;
            if present.version.is_none() {
                this.status.send_replace(PluginStatus::Starting);
            }
            present.last_number
        };
        let shared = Arc::new(Shared::new(
            Arc::clone(&settings),
            Arc::clone(&connection),
            Arc::clone(&this.connections),
            Arc::clone(&this.subscriptions),
            Arc::clone(&this.reporter),
        ));
        let plugin = Arc::downgrade(this);
        let on_given_up = Arc::new(move |given_up| {
            tokio::spawn(Self::quarantine(Weak::clone(&plugin), number, given_up));
        });
        let placement = this.placement.clone();
        let code = Arc::clone(&loaded);
        let version = Version::start(number, shared, code, placement, on_given_up).await?;
        version.take_over();
        let instances = version.seats().len();
        let drain_timeout = settings.limits.drain_timeout;
        let old = {
            let mut present = this.present.lock();
            present.settings = settings;
            present.connection = connection;
            present.loaded = Some(loaded);
            present.version.replace(Arc::clone(&version))
        };
        this.status.send_replace(PluginStatus::Serving);
        version.scale();
        if let Some(old) = old {
            old.drain(drain_timeout).await;
            // With it go its mailboxes, and with these its use of a connection.
            drop(old);
            this.connections.close_unused(CLOSE_TIMEOUT).await;
        }
        Ok(instances)
    }

    fn tell_of_replacement(&self, outcome: Result<usize, StartError>) -> Result<(), StartError> {
        match outcome {
            Ok(instances) => {
                self.reporter.report(&PluginEvent::Reloaded { instances });
                Ok(())
            }
            Err(error) => {
                if self.version().is_some() {
                    let reason = error.to_string();
                    self.reporter.report(&PluginEvent::ReloadFailed { reason });
                } else {
                    self.start_failed(&error);
                }
                Err(error)
            }
        }
    }

    fn start_failed(&self, error: &StartError) {
        let reason = error.to_string();
        self.status.send_replace(PluginStatus::Quarantined { reason: reason.clone() });
        self.reporter.report(&PluginEvent::StartFailed { reason });
    }

    /// An instance of a version has failed too often: the plugin does not serve
    /// any more, until somebody restarts it.
    async fn quarantine(this: Weak<Self>, number: u32, given_up: GivenUp) {
        let Some(this) = this.upgrade() else { return };
        let _operation = this.operation.lock().await;
        let version = {
            let mut present = this.present.lock();
            match &present.version {
                Some(version) if version.number == number => present.version.take(),
                // It has been replaced in the meantime.
                _ => None,
            }
        };
        let Some(version) = version else { return };
        let GivenUp { error, failures, window } = given_up;
        let reason = error.summary();
        this.status.send_replace(PluginStatus::Quarantined { reason: reason.clone() });
        let maximum = failures.saturating_sub(1).into();
        this.reporter.report(&PluginEvent::LimitReached {
            limit: "failures",
            current: maximum,
            desired: failures.into(),
            maximum,
        });
        this.reporter.report(&PluginEvent::Quarantined { reason, failures, window });
        version.drain(version.shared.settings.limits.drain_timeout).await;
    }

    async fn drain(&self, deadline: Duration) -> bool {
        let begin = time::now();
        let Ok(_operation) = time::timeout(deadline, self.operation.lock()).await else {
            return false;
        };
        let version = self.present.lock().version.take();
        let mut clean = true;
        if let Some(version) = &version {
            self.status.send_replace(PluginStatus::Draining);
            self.reporter.report(&PluginEvent::Draining);
            clean = version.end(deadline.saturating_sub(time::since(begin))).await;
        }
        self.connections.close_all(CLOSE_TIMEOUT).await;
        self.status.send_replace(PluginStatus::Stopped);
        if version.is_some() {
            self.reporter.report(&PluginEvent::Stopped { clean });
        }
        clean
    }
}
