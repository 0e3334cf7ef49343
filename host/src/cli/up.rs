//! `simple-nats up`

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;

use super::exit::Failure;
use super::learning::Learning;
use super::server::{ServerArguments, Servers};
use super::serving::Serving;
use super::signals::Stops;
use crate::config::{Manifest, PlannedConnection, PlannedPlugin};
use crate::plugin::{CompileCache, Host, HostOptions, StartError};

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
    manifest: PathBuf,

    /// How long a clean stop may take.
    #[arg(long, default_value = "10s", value_name = "TIME", value_parser = humantime::parse_duration)]
    stop_timeout: Duration,

    /// Compile anew instead of using the cache for compiled components.
    #[arg(long)]
    no_compile_cache: bool,

    /// Allow everything, and print in the end the least that would have sufficed.
    #[arg(long)]
    learn: bool,

    // Its headings hold for all that follows, so it comes last.
    #[command(flatten)]
    server: ServerArguments,
}

impl Up {
    pub(super) async fn run(self) -> Result<ExitCode, Failure> {
        let manifest = Manifest::read(&self.manifest)?;
        let mut options = HostOptions::default();
        if self.no_compile_cache {
            options.compile_cache = CompileCache::Off;
        }
        let host = Host::new(&options)?;
        let mut stops = Stops::new()?;
        let servers = self.server.open().await?;
        let mut serving = Serving::default();
        let mut learning = Learning::default();
        let serve = async {
            for mut plugin in manifest.plugins().iter().cloned() {
                if self.learn {
                    learning.watch(&mut plugin.settings);
                }
                let name = plugin.settings.name.clone();
                if let Err(error) = start(&mut serving, &host, plugin, &servers).await {
                    serving.note(&name, error);
                }
            }
            if !serving.is_empty() {
                serving.wait_until_given_up().await;
            }
        };
        tokio::select! {
            () = serve => {}
            () = stops.next() => {}
        }
        stops.end_at_next();
        let none_served = serving.is_empty();
        let failures = serving.stop(self.stop_timeout).await;
        learning.print();
        match failures.into_iter().next() {
            None => Ok(ExitCode::SUCCESS),
            Some(first) if none_served => Err(first),
            Some(_) => Ok(ExitCode::FAILURE),
        }
    }
}

async fn start(
    serving: &mut Serving,
    host: &Host,
    plugin: PlannedPlugin,
    servers: &Servers,
) -> Result<(), StartError> {
    let program = host.load(plugin.settings).await?;
    let options = match &plugin.connection {
        PlannedConnection::Own(own) => own.options(&servers.options),
        PlannedConnection::Shared(_) => servers.options.clone(),
    };
    serving.start(program, options).await
}
