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
    let server = arguments.next().unwrap_or_else(|| "localhost:4222".to_owned()).parse()?;
    let file = arguments.next().unwrap_or_else(|| "echo.wasm".to_owned());

    let mut options = HostOptions::default();
    options.observer = Some(Observer::new(|plugin, event| println!("{plugin}: {event:?}")));
    let host = Host::new(&options)?;

    let mut settings = PluginSettings::new("echo", ComponentSource::File(file.into()));
    settings.policy.subscribe = SubjectRules::new(["echo"])?;
    let echo = host.add(settings, ConnectionOptions::new(vec![server], "echo")).await?;

    echo.reload().await?;
    tokio::signal::ctrl_c().await?;
    host.remove("echo", Duration::from_secs(10)).await;
    Ok(())
}
