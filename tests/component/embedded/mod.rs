//! The host as a library: what a test that embeds it begins with.

#![allow(dead_code, reason = "each test uses a part of it")]

use std::time::Duration;

use anyhow::{Context, Result};
use simple_nats::connection::ConnectionOptions;
use simple_nats::plugin::{ComponentSource, Host, HostOptions, Observer, PluginSettings};
use simple_nats::policy::Policy;
use test_support::{DEADLINE, NatsServer, guest};
use tokio::sync::watch;
use tokio::time::timeout;

/// A server, a host of two threads in this process, another client, and what was
/// observed.
pub(crate) struct Embedded {
    pub(crate) server: NatsServer,
    pub(crate) host: Host,
    pub(crate) client: async_nats::Client,
    events: watch::Receiver<Vec<(String, String)>>,
}

impl Embedded {
    pub(crate) async fn start() -> Result<Self> {
        let server = NatsServer::start().await?;
        let (sender, events) = watch::channel(Vec::new());
        let mut options = HostOptions::default();
        options.shards = 2;
        options.observer = Some(Observer::new(move |plugin, event| {
            let event = (plugin.to_owned(), format!("{} {event:?}", event.name()));
            sender.send_modify(|events| events.push(event));
        }));
        let client = server.client().await?;
        Ok(Self { host: Host::new(&options)?, client, server, events })
    }

    /// How plugins connect.
    pub(crate) fn connection(&self) -> Result<ConnectionOptions> {
        Ok(ConnectionOptions::new(vec![self.server.url().parse()?], ""))
    }

    /// Waits until an event of this name has been observed for a plugin; gives all
    /// of it as text.
    pub(crate) async fn observed(&self, plugin: &str, event: &str) -> Result<String> {
        self.observed_within(DEADLINE, plugin, event, "").await
    }

    /// The same for one with this part in its text, which may take so long.
    pub(crate) async fn observed_within(
        &self,
        deadline: Duration,
        plugin: &str,
        event: &str,
        part: &str,
    ) -> Result<String> {
        let mut events = self.events.clone();
        let is_it = |(of, text): &(String, String)| {
            of == plugin && text.split(' ').next() == Some(event) && text.contains(part)
        };
        let what = format!("{event} {part} of {plugin}");
        let found = events.wait_for(|events| events.iter().any(is_it));
        let found = timeout(deadline, found).await.with_context(|| what.clone())??;
        let found = found.iter().find(|event| is_it(event));
        Ok(found.context(what)?.1.clone())
    }
}

/// A plugin that may do everything, called after its component.
pub(crate) fn settings(name: &str) -> Result<PluginSettings> {
    let mut settings = PluginSettings::new(name, ComponentSource::File(guest(name)?));
    settings.policy = Policy::allow_all();
    Ok(settings)
}
