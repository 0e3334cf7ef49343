//! `simple-nats dev`

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;

use super::admin::AdminArguments;
use super::build::Builder;
use super::exit::Failure;
use super::host::HostArguments;
use super::server::ServerArguments;
use super::signals::Stops;
use super::up::Up;

/// Build plugins and run them, again after each change, until Ctrl-C.
///
/// The table `[dev]` of the manifest says how they are built; it may change
/// meanwhile. Everything is allowed; the least that would have sufficed is printed in
/// the end. A build that fails, or a plugin that does not start, leaves the version
/// before serving.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  simple-nats dev
  simple-nats dev --server nats://localhost:4222

Without --server it starts a nats-server of its own, whatever NATS_URL says.
Exit codes are those of `simple-nats up`.")]
pub(super) struct Dev {
    /// The manifest.
    #[arg(value_name = "MANIFEST", default_value = "plugins.toml")]
    manifest: PathBuf,

    /// How long a clean stop may take.
    #[arg(long, default_value = "10s", value_name = "TIME", value_parser = humantime::parse_duration)]
    stop_timeout: Duration,

    #[command(flatten)]
    admin: AdminArguments,

    // Its headings hold for all that follows, so it comes last.
    #[command(flatten)]
    server: ServerArguments,
}

impl Dev {
    pub(super) async fn run(self) -> Result<ExitCode, Failure> {
        let mut builder = Builder::new(&self.manifest)?;
        let mut stops = Stops::new()?;
        tokio::select! {
            () = builder.build_once() => {}
            () = stops.next() => return Ok(ExitCode::SUCCESS),
        }
        let up = Up {
            manifest: self.manifest,
            stop_timeout: self.stop_timeout,
            host: HostArguments::default(),
            max_stack: None,
            learn: true,
            watch: true,
            admin: self.admin,
            server: self.server.or_embedded(),
        };
        tokio::select! {
            outcome = up.run() => outcome,
            never = builder.build_again() => match never {},
        }
    }
}
