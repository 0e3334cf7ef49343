//! Runs a plugin that may subscribe to `echo`, until Ctrl-C. Arguments: the
//! address of a server, and the plugin's file.

#![expect(clippy::print_stdout, reason = "it shows what it observes")]

use std::time::Duration;

use simple_nats::connection::ConnectionOptions;
use simple_nats::plugin::{ComponentSource, Host, HostOptions, Observer, PluginSettings};
use simple_nats::policy::SubjectRules;

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let server = arguments.next().unwrap_or_else(|| "localhost:4222".to_owned());
    let file = arguments.next().unwrap_or_else(|| "echo.wasm".to_owned());
    serve(&server, &file, tokio::signal::ctrl_c()).await
}

/// Serves until `stop` is done.
pub(crate) async fn serve(
    server: &str,
    file: &str,
    stop: impl Future<Output = std::io::Result<()>>,
) -> anyhow::Result<()> {
    let mut options = HostOptions::default();
    options.observer = Some(Observer::new(|plugin, event| println!("{plugin}: {event:?}")));
    let host = Host::new(&options)?;

    let mut settings = PluginSettings::new("echo", ComponentSource::File(file.into()));
    settings.policy.subscribe = SubjectRules::new(["echo"])?;
    settings.limits.max_memory_bytes = 64 << 20;
    let connection = ConnectionOptions::new(vec![server.parse()?], "echo");
    let echo = host.add(settings, connection).await?;

    // A new version takes over while the old one serves.
    echo.reload().await?;
    stop.await?;
    host.stop(Duration::from_secs(10)).await;
    Ok(())
}
