//! `simple-nats up`

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;

use super::admin::AdminArguments;
use super::exit::Failure;
use super::host::HostArguments;
use super::learning::Learning;
use super::server::{ServerArguments, Servers};
use super::serving::{Change, Serving};
use super::signals::Stops;
use crate::config::{Manifest, PlannedConnection, PlannedPlugin, Size};
use crate::connection::ConnectionOptions;
use crate::plugin::{ComponentSource, Host, PluginSettings, SharedConnection};

/// Run the plugins of a manifest until Ctrl-C.
///
/// A plugin that can't be started is reported, while the others run.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  simple-nats up
  simple-nats up staging.toml --server nats://staging:4222

Exit codes: 0 if all plugins served until they were told to stop, 1 if one could
not be started or was given up, 2 if the manifest makes no sense. If none could be
started, the code is that of the first: 3 for its component, 4 for its server.")]
pub(super) struct Up {
    /// The manifest.
    #[arg(value_name = "MANIFEST", default_value = "plugins.toml")]
    pub(super) manifest: PathBuf,

    /// How long a clean stop may take.
    #[arg(long, default_value = "10s", value_name = "TIME", value_parser = humantime::parse_duration)]
    pub(super) stop_timeout: Duration,

    #[command(flatten)]
    pub(super) host: HostArguments,

    /// Native stack of a guest, instead of what the manifest says. Default: 512KiB.
    #[arg(long, value_name = "SIZE")]
    pub(super) max_stack: Option<Size>,

    /// Allow everything, and print in the end the least that would have sufficed.
    #[arg(long)]
    pub(super) learn: bool,

    /// Reload plugins when the manifest or their components change.
    #[arg(long)]
    pub(super) watch: bool,

    #[command(flatten)]
    pub(super) admin: AdminArguments,

    // Its headings hold for all that follows, so it comes last.
    #[command(flatten)]
    pub(super) server: ServerArguments,
}

impl Up {
    pub(super) async fn run(self) -> Result<ExitCode, Failure> {
        let manifest = Manifest::read(&self.manifest)?;
        let options = self.host.options(self.max_stack.or(manifest.max_stack()));
        let host = Arc::new(Host::new(&options)?);
        let mut stops = Stops::new()?;
        let servers = self.server.open_for(manifest.needs_servers()).await?;
        let mut serving =
            Serving::open(Arc::clone(&host), &self.admin, self.watched(&manifest)).await?;
        let mut learning = Learning::default();
        let mut started = 0;
        let mut connections = Connections::new(servers, &manifest);
        let serve = async {
            for plugin in self.planned(&manifest, &mut learning) {
                let name = plugin.settings.name.clone();
                let (settings, connection) = connections.give(plugin);
                match host.add(settings, connection).await {
                    Ok(_) => started += 1,
                    Err(error) => serving.note(&name, error),
                }
            }
            loop {
                match serving.next().await {
                    Change::GivenUp => break,
                    Change::Files(files) if !files.contains(&self.manifest) => {
                        serving.reload(|file| files.contains(file)).await;
                    }
                    Change::Files(_) | Change::ReloadAsked => {
                        if let Some(manifest) = self.read_anew() {
                            connections.open_for(&manifest, &self.server).await;
                            serving.watch(self.watched(&manifest));
                            self.apply(&manifest, &host, &mut connections, &mut learning).await;
                        }
                    }
                }
            }
        };
        tokio::select! {
            () = serve => {}
            () = stops.next() => {}
        }
        stops.end_at_next();
        let failures = serving.stop(self.stop_timeout).await;
        learning.print();
        match failures.into_iter().next() {
            None => Ok(ExitCode::SUCCESS),
            Some(first) if started == 0 => Err(first),
            Some(_) => Ok(ExitCode::FAILURE),
        }
    }

    /// The files whose change is to take effect.
    fn watched(&self, manifest: &Manifest) -> Vec<PathBuf> {
        if !self.watch {
            return Vec::new();
        }
        let components = manifest.plugins().iter().map(|plugin| &plugin.settings.component);
        let mut files = vec![self.manifest.clone()];
        files.extend(components.filter_map(|component| match component {
            ComponentSource::File(file) => Some(file.clone()),
            ComponentSource::Bytes(_) => None,
        }));
        files
    }

    fn planned(&self, manifest: &Manifest, learning: &mut Learning) -> Vec<PlannedPlugin> {
        let mut plugins = manifest.plugins().to_vec();
        if self.learn {
            for plugin in &mut plugins {
                learning.watch(&mut plugin.settings);
            }
        }
        plugins
    }

    /// The manifest as it is now; none, with a line of the log, if it makes no sense.
    fn read_anew(&self) -> Option<Manifest> {
        let manifest = Manifest::read(&self.manifest);
        manifest.inspect_err(|error| tracing::error!(%error, "manifest not reloaded")).ok()
    }

    /// Makes the plugins those of the manifest: such as are not in it any more end,
    /// new ones start, and of the others those are reloaded for which it says
    /// something else now, or whose component is another one. What comes of it is in
    /// the log.
    async fn apply(
        &self,
        manifest: &Manifest,
        host: &Host,
        connections: &mut Connections,
        learning: &mut Learning,
    ) {
        connections.learn(manifest);
        let plugins = self.planned(manifest, learning);
        for old in host.plugins() {
            if !plugins.iter().any(|plugin| plugin.settings.name == old.name()) {
                host.remove(old.name(), self.stop_timeout).await;
            }
        }
        for plugin in plugins {
            let name = plugin.settings.name.clone();
            let (settings, connection) = connections.give(plugin);
            let outcome = match host.plugin(&name) {
                Some(old) if old.is_run_with(&settings, &connection).await => {
                    tracing::debug!(plugin = name, "unchanged");
                    Ok(())
                }
                Some(old) => old.replace(settings, connection).await,
                None => host.add(settings, connection).await.map(drop),
            };
            if let Err(error) = outcome {
                tracing::error!(plugin = name, %error, "plugin not started");
            }
        }
    }
}

/// Where plugins connect.
struct Connections {
    servers: Servers,
    /// Those that plugins share, by name.
    shared: BTreeMap<String, SharedConnection>,
}

impl Connections {
    fn new(servers: Servers, manifest: &Manifest) -> Self {
        let shared = manifest.shared_connections(&servers.options);
        Self { servers, shared }
    }

    /// Starts the embedded server if it is needed now and was not before.
    async fn open_for(&mut self, manifest: &Manifest, arguments: &ServerArguments) {
        if !self.servers.options.servers.is_empty() || !manifest.needs_servers() {
            return;
        }
        match arguments.open().await {
            Ok(servers) => self.servers = servers,
            Err(error) => tracing::error!(%error, "embedded nats-server not started"),
        }
    }

    /// Takes up those that are new or others now. Plugins that have one of before
    /// keep it until they are reloaded.
    fn learn(&mut self, manifest: &Manifest) {
        let mut shared = manifest.shared_connections(&self.servers.options);
        for (name, connection) in &mut shared {
            if let Some(present) = self.shared.get(name).filter(|one| one.is_like(connection)) {
                *connection = present.clone();
            }
        }
        self.shared = shared;
    }

    /// What a plugin is run with.
    fn give(&self, plugin: PlannedPlugin) -> (PluginSettings, ConnectionOptions) {
        let PlannedPlugin { mut settings, connection, .. } = plugin;
        let options = match connection {
            PlannedConnection::Own(own) => own.options(&self.servers.options),
            PlannedConnection::Shared(name) => {
                settings.shared_connection = self.shared.get(&name).cloned();
                let shared = settings.shared_connection.as_ref();
                shared.map_or(&self.servers.options, SharedConnection::options).clone()
            }
        };
        (settings, options)
    }
}
