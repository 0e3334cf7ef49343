//! The host: runs plugins and commands.

use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use super::adapters::Foreign;
use super::component::Kind;
use super::connections::{CLOSE_TIMEOUT, Connections};
use super::counters::Counts;
use super::engine::CompileCache;
use super::error::{GuestError, LoadError};
use super::event::{Observer, PluginEvent};
use super::linkers::Linkers;
use super::loaded::{self, Loaded};
use super::mailbox::Mailbox;
use super::reporter::Reporter;
use super::settings::PluginSettings;
use super::shard::Shards;
use super::state::Shared;
use super::subscriptions::Subscriptions;
use super::supervisor::{MAX_FAILURES, WINDOW};
use super::{command, supervisor};
use crate::connection::ConnectionOptions;

/// How long a server may take to confirm what a plugin has subscribed to. A plugin
/// whose server is slower serves all the same.
const READY_TIMEOUT: Duration = Duration::from_secs(5);

/// Runs sandboxed components against NATS, on threads of its own. Dropping it
/// ends everything at once; [`Plugin::stop`] ends a plugin cleanly.
pub struct Host {
    linkers: Linkers,
    shards: Shards,
    observer: Option<Observer>,
}

/// How a host is set up.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct HostOptions {
    /// Where compiled components are kept.
    pub compile_cache: CompileCache,
    /// Threads for plugins; 0 for one for each processor.
    pub shards: usize,
    /// Told what happens to the plugins.
    pub observer: Option<Observer>,
}

/// A plugin could not be started.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StartError {
    /// Its component does not load.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// A name in its settings can't be used.
    #[error(transparent)]
    Settings(#[from] crate::protocol::SubjectError),
    /// Its `start` failed.
    #[error("plugin {plugin}: {}", source.summary())]
    Guest {
        /// Name of the plugin.
        plugin: String,
        /// What it did.
        source: GuestError,
    },
    /// Its `start` failed, and a server that it wanted could not be reached.
    #[error("plugin {plugin}: {}", source.summary())]
    NoServer {
        /// Name of the plugin.
        plugin: String,
        /// What it said of it.
        source: GuestError,
    },
    /// It takes messages through an interface without subscribing, and nothing
    /// was subscribed to for it.
    #[error(
        "{plugin} takes messages through {interface} and can't subscribe by itself; say what to \
         subscribe to, as in --subscribe 'orders.>|workers', or with the key `subscriptions` in a \
         manifest"
    )]
    NoSubscriptions {
        /// Name of the plugin.
        plugin: String,
        /// The interface.
        interface: Foreign,
    },
    /// It subscribes by itself, and was to be subscribed for.
    #[error(
        "{plugin} subscribes by itself; only for components that take messages through \
         wasi:messaging or wasmcloud:messaging does the host subscribe"
    )]
    NeedlessSubscriptions {
        /// Name of the plugin.
        plugin: String,
    },
    /// It is a command where a plugin is wanted, or the other way round.
    #[error("{plugin} is a {is}, not a {wanted}")]
    WrongKind {
        /// Name of the plugin.
        plugin: String,
        /// What it is.
        is: &'static str,
        /// What was wanted.
        wanted: &'static str,
    },
    /// The host is shutting down.
    #[error("the host is shutting down")]
    HostGone,
}

impl Host {
    /// Sets up the engine and the threads.
    ///
    /// # Errors
    /// If this machine does not allow it.
    pub fn new(options: &HostOptions) -> Result<Self, LoadError> {
        let count = match options.shards {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            count => count,
        };
        Ok(Self {
            linkers: Linkers::new(&options.compile_cache)?,
            shards: Shards::start(count)?,
            observer: options.observer.clone(),
        })
    }

    /// Loads what the settings name, without running it.
    ///
    /// # Errors
    /// If it is nothing that this host can run.
    pub async fn load(&self, settings: PluginSettings) -> Result<Program, StartError> {
        settings.check()?;
        let loaded = loaded::load(&self.linkers, &settings.component, &settings.name).await?;
        let is_empty = settings.subscriptions.is_empty();
        match loaded.kind {
            Kind::Foreign(interface) if is_empty => {
                return Err(StartError::NoSubscriptions { plugin: settings.name, interface });
            }
            Kind::Plugin { .. } | Kind::Command if !is_empty => {
                return Err(StartError::NeedlessSubscriptions { plugin: settings.name });
            }
            _ => {}
        }
        let shard = self.shards.assign().ok_or(StartError::HostGone)?;
        let observer = self.observer.clone();
        Ok(Program { loaded: Arc::new(loaded), settings, shard, observer })
    }
}

/// A component that is loaded and ready to run.
pub struct Program {
    loaded: Arc<Loaded>,
    settings: PluginSettings,
    shard: Handle,
    observer: Option<Observer>,
}

impl Program {
    /// Whether it is a plugin or a command.
    pub fn kind(&self) -> Kind {
        self.loaded.kind
    }

    /// Starts a plugin: returns once `start` of all its instances has, and the
    /// server knows what they have subscribed to. Its connections are made with
    /// `connection`, except for what a guest chooses itself.
    ///
    /// # Errors
    /// If one of them fails, or it is a command.
    pub async fn start(self, connection: ConnectionOptions) -> Result<Plugin, StartError> {
        let name = self.settings.name.clone();
        if self.loaded.kind == Kind::Command {
            return Err(StartError::WrongKind { plugin: name, is: "command", wanted: "plugin" });
        }
        let instances = self.settings.instances.max(1);
        let shared = Arc::new(shared(self.settings, connection, self.observer));
        let mut plugin = Plugin {
            name,
            shared: Arc::clone(&shared),
            mailboxes: Vec::new(),
            tasks: JoinSet::new(),
        };
        for _ in 0..instances {
            let mailbox = Arc::new(Mailbox::new(shared.settings.limits.mailbox));
            let (started, outcome) = oneshot::channel();
            let task = supervisor::supervise(
                Arc::clone(&self.loaded),
                Arc::clone(&shared),
                Arc::clone(&mailbox),
                started,
            );
            plugin.mailboxes.push(mailbox);
            plugin.tasks.spawn_on(task, &self.shard);
            let failure = match outcome.await {
                Ok(Ok(())) => continue,
                Ok(Err(source)) => {
                    let plugin = plugin.name.clone();
                    if shared.connections.last_failed() {
                        StartError::NoServer { plugin, source }
                    } else {
                        StartError::Guest { plugin, source }
                    }
                }
                Err(_) => StartError::HostGone,
            };
            plugin.stop(CLOSE_TIMEOUT).await;
            return Err(failure);
        }
        for connected in shared.connections.all().await {
            // One that has broken meanwhile subscribes anew by itself.
            let _ = connected.client.flush(READY_TIMEOUT).await;
        }
        shared.report(PluginEvent::Ready { instances });
        Ok(plugin)
    }

    /// Runs a command to its exit code, with connections as for
    /// [`start`](Self::start). When `stop` is done, a waiting command is
    /// told that nothing more will come, and given up after `grace`.
    ///
    /// # Errors
    /// If it traps, or is a plugin.
    pub async fn run(
        self,
        connection: ConnectionOptions,
        stop: impl Future<Output = ()>,
        grace: Duration,
    ) -> Result<i32, StartError> {
        let plugin = self.settings.name.clone();
        if self.loaded.kind != Kind::Command {
            return Err(StartError::WrongKind { plugin, is: "plugin", wanted: "command" });
        }
        let shared = Arc::new(shared(self.settings, connection, self.observer));
        let mailbox = Arc::new(Mailbox::new(shared.settings.limits.mailbox));
        let run = command::run(self.loaded, Arc::clone(&shared), Arc::clone(&mailbox));
        let mut task = self.shard.spawn(run);
        let outcome = tokio::select! {
            outcome = &mut task => Some(outcome),
            () = stop => {
                mailbox.stop();
                tokio::time::timeout(grace, &mut task).await.ok()
            }
        };
        task.abort();
        close_all(&shared.connections, CLOSE_TIMEOUT).await;
        match outcome {
            Some(Ok(Ok(code))) => Ok(code),
            Some(Ok(Err(source))) => Err(StartError::Guest { plugin, source }),
            Some(Err(_)) => Err(StartError::HostGone),
            None => {
                let source = GuestError::Timeout { during: "run, after the stop", limit: grace };
                Err(StartError::Guest { plugin, source })
            }
        }
    }
}

/// A plugin that serves.
pub struct Plugin {
    name: String,
    shared: Arc<Shared>,
    mailboxes: Vec<Arc<Mailbox>>,
    tasks: JoinSet<Result<(), Arc<GuestError>>>,
}

impl Plugin {
    /// What logs call it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it has done and what was done to it, in numbers.
    pub fn counts(&self) -> Counts {
        self.shared.reporter.counts()
    }

    /// Waits until the plugin is given up: all its instances have failed too
    /// often. Does not end by itself otherwise.
    pub async fn failed(&mut self) -> Arc<GuestError> {
        let mut last = None;
        while let Some(outcome) = self.tasks.join_next().await {
            if let Ok(Err(error)) = outcome {
                self.shared.report(PluginEvent::Quarantined {
                    reason: error.summary(),
                    failures: MAX_FAILURES + 1,
                    window: WINDOW,
                });
                last = Some(error);
            }
        }
        match last {
            Some(error) => error,
            None => std::future::pending().await,
        }
    }

    /// Ends the plugin cleanly, all within `deadline`: nothing new comes from the
    /// server, what was delivered is handled, `stop` runs, what was published
    /// reaches the server, the connections close. Answers whether there was time
    /// for all of it.
    pub async fn stop(mut self, deadline: Duration) -> bool {
        let clean = tokio::time::timeout(deadline, self.finish()).await.is_ok();
        self.tasks.shutdown().await;
        close_all(&self.shared.connections, CLOSE_TIMEOUT).await;
        self.shared.report(PluginEvent::Stopped { clean });
        clean
    }

    async fn finish(&mut self) {
        for connected in self.shared.connections.all().await {
            connected.client.end_subscriptions(CLOSE_TIMEOUT).await;
        }
        for mailbox in &self.mailboxes {
            mailbox.stop();
        }
        while self.tasks.join_next().await.is_some() {}
    }
}

async fn close_all(connections: &Connections, timeout: Duration) {
    for connected in connections.all().await {
        connected.client.close(timeout).await;
    }
}

fn shared(
    settings: PluginSettings,
    connection: ConnectionOptions,
    observer: Option<Observer>,
) -> Shared {
    let reporter = Arc::new(Reporter::new(&settings.name, observer));
    Shared {
        settings,
        connection,
        connections: Connections::default(),
        subscriptions: Subscriptions::default(),
        reporter,
    }
}
