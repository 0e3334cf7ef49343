//! Plugins that serve until they are told to stop, or are all given up.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::anyhow;
use futures_util::future::join_all;

use super::admin::AdminArguments;
use super::exit::Failure;
use super::signals::Hangups;
use super::watch::Watch;
use crate::plugin::{ComponentSource, Host, Plugin, PluginStatus, StartError};

/// The plugins of one command, and what went wrong with them.
pub(super) struct Serving {
    host: Arc<Host>,
    hangups: Hangups,
    watch: Watch,
    /// Somebody may make quarantined plugins serve again.
    can_be_revived: bool,
    /// In the order in which it happened.
    failures: Vec<Failure>,
}

/// What happens while plugins serve.
pub(super) enum Change {
    /// No plugin serves any more, and none will.
    GivenUp,
    /// Somebody wants everything to be read anew.
    ReloadAsked,
    /// These of the files watched are others now.
    Files(Vec<PathBuf>),
}

impl Serving {
    /// Opens the admin port if one is wanted, and begins to watch files.
    pub(super) async fn open(
        host: Arc<Host>,
        admin: &AdminArguments,
        watched: Vec<PathBuf>,
    ) -> Result<Self, Failure> {
        let can_be_revived = admin.is_wanted() || !watched.is_empty();
        let hangups = Hangups::new()?;
        let watch = Watch::new(watched)?;
        admin.open(&host).await?;
        Ok(Self { host, hangups, watch, can_be_revived, failures: Vec::new() })
    }

    /// Watches more files.
    pub(super) fn watch(&mut self, files: Vec<PathBuf>) {
        if let Err(error) = self.watch.add(files) {
            tracing::error!(%error, "not all files are watched");
        }
    }

    /// Notes that a plugin does not serve, while the others go on.
    pub(super) fn note(&mut self, plugin: &str, error: StartError) {
        tracing::error!(plugin, error = %error, "plugin not started");
        self.failures.push(error.into());
    }

    /// Waits for the next change.
    pub(super) async fn next(&mut self) -> Change {
        let plugins = self.host.plugins();
        tokio::select! {
            reasons = all_quarantined(&plugins), if !self.can_be_revived => {
                self.failures.push(given_up(&reasons));
                Change::GivenUp
            }
            () = self.hangups.next() => Change::ReloadAsked,
            files = self.watch.changed() => Change::Files(files),
        }
    }

    /// Reloads the plugins whose component is such a file. What comes of it is in
    /// the log.
    pub(super) async fn reload(&self, is_meant: impl Fn(&PathBuf) -> bool) {
        let mut plugins = self.host.plugins();
        plugins.retain(|plugin| match plugin.component() {
            ComponentSource::File(file) => is_meant(&file),
            ComponentSource::Bytes(_) => false,
        });
        join_all(plugins.iter().map(Plugin::reload)).await;
    }

    /// Stops all cleanly; answers what went wrong before.
    pub(super) async fn stop(mut self, deadline: Duration) -> Vec<Failure> {
        let plugins = self.host.plugins();
        if plugins.iter().any(|plugin| !is_quarantined(plugin)) {
            tracing::info!("stopping");
        }
        if self.failures.is_empty() {
            let reasons = plugins.iter().filter_map(reason_of_quarantine);
            self.failures.extend(reasons.map(|reason| given_up(&[reason])));
        }
        self.host.stop(deadline).await;
        self.failures
    }
}

fn given_up(reasons: &[String]) -> Failure {
    Failure::Failed(anyhow!("{}", reasons.join("; ")))
}

/// Waits until no plugin is left that serves; answers why.
async fn all_quarantined(plugins: &[Plugin]) -> Vec<String> {
    loop {
        let reasons = join_all(plugins.iter().map(Plugin::quarantined)).await;
        // One may have been restarted while the others were waited for.
        if plugins.iter().all(is_quarantined) {
            return reasons;
        }
    }
}

fn is_quarantined(plugin: &Plugin) -> bool {
    reason_of_quarantine(plugin).is_some()
}

fn reason_of_quarantine(plugin: &Plugin) -> Option<String> {
    match plugin.status() {
        PluginStatus::Quarantined { reason } => Some(reason),
        _ => None,
    }
}
