//! The host: runs plugins and commands.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use parking_lot::Mutex;
use tokio::runtime::Handle;

use super::connections::{CLOSE_TIMEOUT, Connections};
use super::dispatch::mailbox::Mailbox;
use super::dispatch::subscriptions::Subscriptions;
use super::error::{GuestError, LoadError, StartError};
use super::lifecycle::command;
use super::lifecycle::handle::Plugin;
use super::loading::compile_cache::CompileCache;
use super::loading::component::{Interfaces, Kind};
use super::loading::engine::DEFAULT_STACK_BYTES;
use super::loading::linkers::Linkers;
use super::loading::loaded::{self, Loaded};
use super::reporting::event::Observer;
use super::reporting::reporter::Reporter;
use super::scheduling::shard::{Placement, Shards};
use super::settings::PluginSettings;
use super::state::Shared;
use crate::connection::ConnectionOptions;
use crate::time;

/// Runs sandboxed components against NATS, on threads of its own.
///
/// Plugins are added and removed while it runs, under different names. Dropping
/// it ends everything at once; [`stop`](Self::stop) ends its plugins cleanly. Its
/// methods are called within a Tokio runtime.
pub struct Host {
    linkers: Arc<Linkers>,
    shards: Shards,
    observer: Option<Observer>,
    plugins: Plugins,
}

/// The plugins of a host, in the order in which they were added.
type Plugins = Arc<Mutex<Vec<Plugin>>>;

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
    /// Native stack that a guest may use, in bytes; 0 for 512 KiB.
    pub max_stack_bytes: usize,
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
        Self::with(options, Shards::start(count)?)
    }

    /// One without threads for plugins: they run where this runtime does.
    ///
    /// # Errors
    /// As for [`new`](Self::new).
    pub(crate) fn on(runtime: Handle, options: &HostOptions) -> Result<Self, LoadError> {
        Self::with(options, Shards::on(runtime))
    }

    fn with(options: &HostOptions, shards: Shards) -> Result<Self, LoadError> {
        let stack_bytes = match options.max_stack_bytes {
            0 => DEFAULT_STACK_BYTES,
            bytes => bytes,
        };
        Ok(Self {
            linkers: Arc::new(Linkers::new(&options.compile_cache, stack_bytes)?),
            shards,
            observer: options.observer.clone(),
            plugins: Arc::default(),
        })
    }

    /// Loads what the settings name, without running it: for what is to be
    /// refused before anything connects, and for commands.
    ///
    /// # Errors
    /// If it is nothing that this host can run.
    pub async fn load(&self, settings: PluginSettings) -> Result<Program, StartError> {
        settings.check()?;
        let reporter = Reporter::new(&settings.name, self.observer.clone());
        let loaded = loaded::load(&self.linkers, &settings, &reporter).await?;
        Ok(Program {
            loaded,
            settings,
            linkers: Arc::clone(&self.linkers),
            placement: self.shards.assign(),
            observer: self.observer.clone(),
            plugins: Arc::clone(&self.plugins),
        })
    }

    /// Loads a plugin and starts it; returns once `start` of all its instances
    /// has, and the server knows what they have subscribed to. Its connections
    /// are made with `connection`, except for what a guest chooses itself.
    ///
    /// # Errors
    /// If its name is taken or can't be used. If it does not load or start, it is
    /// among the host's plugins all the same, quarantined, until it is reloaded
    /// or removed.
    pub async fn add(
        &self,
        settings: PluginSettings,
        connection: ConnectionOptions,
    ) -> Result<Plugin, StartError> {
        settings.check()?;
        let plugin = Plugin::new(
            settings,
            connection,
            Arc::clone(&self.linkers),
            self.shards.assign(),
            self.observer.clone(),
        );
        enlist(&self.plugins, &plugin)?;
        plugin.begin(None).await?;
        Ok(plugin)
    }

    /// All its plugins, in the order in which they were added.
    pub fn plugins(&self) -> Vec<Plugin> {
        self.plugins.lock().clone()
    }

    /// The plugin of this name.
    pub fn plugin(&self, name: &str) -> Option<Plugin> {
        self.plugins.lock().iter().find(|plugin| plugin.name() == name).cloned()
    }

    /// Drains a plugin, and forgets it. Answers whether there was time for all of
    /// it; none if there is no plugin of this name.
    pub async fn remove(&self, name: &str, deadline: Duration) -> Option<bool> {
        let plugin = self.plugin(name)?;
        let clean = plugin.drain(deadline).await;
        self.plugins.lock().retain(|one| one.name() != name);
        Some(clean)
    }

    /// Drains all plugins, at the same time. Answers whether there was time for
    /// all of it.
    pub async fn stop(&self, deadline: Duration) -> bool {
        let plugins = self.plugins();
        let drained = join_all(plugins.iter().map(|plugin| plugin.drain(deadline))).await;
        drained.iter().all(|&clean| clean)
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.shards.stop();
        for plugin in self.plugins.lock().drain(..) {
            plugin.host_gone();
        }
    }
}

fn enlist(plugins: &Plugins, plugin: &Plugin) -> Result<(), StartError> {
    let mut plugins = plugins.lock();
    if plugins.iter().any(|one| one.name() == plugin.name()) {
        return Err(StartError::NameTaken(plugin.name().to_owned()));
    }
    plugins.push(plugin.clone());
    Ok(())
}

/// A component that is loaded and ready to run.
pub struct Program {
    loaded: Arc<Loaded>,
    settings: PluginSettings,
    linkers: Arc<Linkers>,
    placement: Placement,
    observer: Option<Observer>,
    plugins: Plugins,
}

impl Program {
    /// Whether it is a plugin or a command.
    pub fn kind(&self) -> Kind {
        self.loaded.kind
    }

    /// What it imports and exports.
    pub fn interfaces(&self) -> Interfaces {
        Interfaces::of(self.loaded.pre.component())
    }

    /// Starts a plugin, as [`Host::add`] does.
    ///
    /// # Errors
    /// As for [`Host::add`], or if it is a command.
    pub async fn start(self, connection: ConnectionOptions) -> Result<Plugin, StartError> {
        let plugin =
            Plugin::new(self.settings, connection, self.linkers, self.placement, self.observer);
        enlist(&self.plugins, &plugin)?;
        plugin.begin(Some(self.loaded)).await?;
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
        let (_, runtime) = self.placement.of(0).ok_or(StartError::HostGone)?;
        let reporter = Arc::new(Reporter::new(&plugin, self.observer));
        let shared = Arc::new(Shared::new(
            Arc::new(self.settings),
            Arc::new(connection),
            Arc::new(Connections::default()),
            Arc::new(Subscriptions::new(Arc::clone(&reporter))),
            reporter,
        ));
        let mailbox = Arc::new(Mailbox::new(shared.settings.limits.mailbox));
        let stack_bytes = self.loaded.stack_bytes;
        let run = command::run(self.loaded, Arc::clone(&shared), Arc::clone(&mailbox));
        let mut task = runtime.spawn(run);
        let outcome = tokio::select! {
            outcome = &mut task => Some(outcome),
            () = stop => {
                mailbox.stop();
                time::timeout(grace, &mut task).await.ok()
            }
        };
        task.abort();
        shared.connections.close_all(CLOSE_TIMEOUT).await;
        let ended = match outcome {
            Some(Ok(ended)) => ended,
            Some(Err(_)) => return Err(StartError::HostGone),
            None => Err(GuestError::Timeout { during: "run, after the stop", limit: grace }),
        };
        ended.map_err(|source| {
            shared.ended_by(&source, stack_bytes);
            StartError::Guest { plugin, source }
        })
    }
}
