//! `simple-nats run`

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::anyhow;
use clap::Args;

use super::admin::AdminArguments;
use super::exit::Failure;
use super::grants::Grants;
use super::host::HostArguments;
use super::learning::Learning;
use super::permissions::Permissions;
use super::server::{ServerArguments, Servers};
use super::serving::{Change, Serving};
use super::signals::Stops;
use crate::config::{LimitSettings, Size};
use crate::plugin::{
    ClientName, ComponentSource, Host, HostSubscription, InstanceCount, Kind, PluginSettings,
    Program,
};
use crate::policy::Policy;

/// Run plugins until Ctrl-C, or a command to its end.
///
/// A plugin may do nothing that is not allowed here. What is refused is logged
/// with the flag that would allow it.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  Answer requests on `echo`, with a server of its own:
    simple-nats run echo.wasm --server embedded --allow-subscribe echo
  A worker that also publishes:
    simple-nats run worker.wasm --allow-subscribe 'jobs.>' --allow-publish results.new
  A component written for wasmCloud, sharing the work with others:
    simple-nats run handler.wasm --subscribe 'orders.>|workers' --allow-publish 'billing.*'
  A command, with arguments:
    simple-nats run job.wasm -A -- first second")]
pub(super) struct Run {
    /// Components to run: plugins, or one command.
    #[arg(required = true, value_name = "COMPONENT")]
    components: Vec<PathBuf>,

    /// Name that the server knows the plugin by. Default: a random UUID.
    #[arg(long, value_name = "NAME")]
    name: Option<String>,

    /// What to subscribe to for a component that takes messages through
    /// wasmcloud:messaging or wasi:messaging, which can't by itself; repeatable.
    #[arg(long = "subscribe", value_name = "SUBJECT[|QUEUE-GROUP]")]
    subscriptions: Vec<HostSubscription>,

    /// Instances of each plugin that serve at once: a number, or bounds within
    /// which it follows the work; `auto` is 1..8.
    #[arg(long, default_value_t, value_name = "N | MIN..MAX | auto")]
    instances: InstanceCount,

    /// How long a clean stop may take.
    #[arg(long, default_value = "10s", value_name = "TIME", value_parser = humantime::parse_duration)]
    stop_timeout: Duration,

    #[command(flatten)]
    host: HostArguments,

    /// Reload a plugin when its component changes.
    #[arg(long)]
    watch: bool,

    /// Arguments of a command.
    #[arg(last = true, value_name = "ARGUMENT")]
    arguments: Vec<String>,

    // Their headings hold for all that follows, so they come last.
    #[command(flatten)]
    permissions: Permissions,

    #[command(flatten)]
    grants: Grants,

    #[command(flatten)]
    limits: LimitSettings,

    /// Native stack of a guest. Default: 512KiB.
    #[arg(long, value_name = "SIZE", help_heading = "Limits")]
    max_stack: Option<Size>,

    #[command(flatten)]
    admin: AdminArguments,

    #[command(flatten)]
    server: ServerArguments,
}

impl Run {
    pub(super) async fn run(self) -> Result<ExitCode, Failure> {
        let policy = self.permissions.policy()?;
        let host = Arc::new(Host::new(&self.host.options(self.max_stack))?);
        // Everything that can be refused is refused before the first connection.
        let mut programs = Vec::new();
        let mut learning = Learning::default();
        let mut names = Vec::new();
        for path in &self.components {
            let name = unique_name(path, &names);
            let mut settings = self.settings(&name, path, &policy);
            if self.permissions.learn {
                learning.watch(&mut settings);
            }
            programs.push(host.load(settings).await?);
            names.push(name);
        }
        let commands = programs.iter().filter(|program| program.kind() == Kind::Command).count();
        if commands > 0 && programs.len() > 1 {
            let message = anyhow!("a command runs alone: name one component");
            return Err(Failure::Usage(message));
        }
        if commands == 0 && !self.arguments.is_empty() {
            let message = anyhow!("arguments after `--` are for commands; this is a plugin");
            return Err(Failure::Usage(message));
        }
        if commands > 0 && (self.watch || self.admin.is_wanted()) {
            let message = anyhow!("`--watch` and `--admin` are for plugins; this is a command");
            return Err(Failure::Usage(message));
        }
        // From here on there is something to stop cleanly.
        let stops = Stops::new()?;
        let servers = self.server.open().await?;
        let outcome = if commands == 0 {
            self.serve(host, programs, &servers, stops).await
        } else {
            self.execute(programs, &servers, stops).await
        };
        learning.print();
        outcome
    }

    fn settings(&self, name: &str, path: &Path, policy: &Policy) -> PluginSettings {
        let mut settings = PluginSettings::new(name, ComponentSource::File(path.to_owned()));
        if let Some(name) = &self.name {
            settings.client_name = ClientName::chosen(name.as_str());
        }
        settings.inbox_prefix = self.server.inbox_prefix().map(str::to_owned);
        settings.policy = policy.clone();
        settings.subscriptions = self.subscriptions.clone();
        settings.instances = self.instances;
        self.grants.apply(&mut settings);
        self.limits.apply(&mut settings.limits);
        settings.arguments = self.arguments.clone();
        settings
    }

    async fn serve(
        &self,
        host: Arc<Host>,
        programs: Vec<Program>,
        servers: &Servers,
        mut stops: Stops,
    ) -> Result<ExitCode, Failure> {
        let watched = if self.watch { self.components.clone() } else { Vec::new() };
        let mut serving = Serving::open(host, &self.admin, watched).await?;
        let serve = async {
            for program in programs {
                program.start(servers.options.clone()).await?;
            }
            loop {
                match serving.next().await {
                    Change::GivenUp => return Ok(false),
                    Change::ReloadAsked => serving.reload(|_| true).await,
                    Change::Files(files) => serving.reload(|file| files.contains(file)).await,
                }
            }
        };
        let outcome = tokio::select! {
            outcome = serve => outcome,
            () = stops.next() => Ok(true),
        };
        stops.end_at_next();
        let failures = serving.stop(self.stop_timeout).await;
        match (outcome, failures.into_iter().next_back()) {
            (Err(error), _) => Err(error),
            (Ok(false), Some(last)) => Err(last),
            (Ok(_), _) => Ok(ExitCode::SUCCESS),
        }
    }

    async fn execute(
        &self,
        programs: Vec<Program>,
        servers: &Servers,
        mut stops: Stops,
    ) -> Result<ExitCode, Failure> {
        let stop = async {
            stops.next().await;
            stops.end_at_next();
            tracing::info!("stopping");
        };
        let Some(program) = programs.into_iter().next() else { return Ok(ExitCode::SUCCESS) };
        let code = program.run(servers.options.clone(), stop, self.stop_timeout).await?;
        Ok(u8::try_from(code).map_or(ExitCode::FAILURE, ExitCode::from))
    }
}

/// A plugin is called after its file; the second of one name gets a number.
fn unique_name(path: &Path, taken: &[String]) -> String {
    let stem = path.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into());
    let numbered = (2..).map(|number| format!("{stem}-{number}"));
    let mut names = std::iter::once(stem.clone()).chain(numbered);
    names.find(|name| !taken.contains(name)).unwrap_or(stem)
}
