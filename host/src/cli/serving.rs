//! Plugins that serve until they are told to stop, or are all given up.

use std::time::Duration;

use anyhow::anyhow;
use futures_util::future::{join_all, select_all};

use super::exit::Failure;
use crate::connection::ConnectionOptions;
use crate::plugin::{Plugin, Program, StartError};

/// The plugins of one command, and what went wrong with others.
#[derive(Default)]
pub(super) struct Serving {
    plugins: Vec<Plugin>,
    /// In the order in which it happened.
    failures: Vec<Failure>,
}

impl Serving {
    /// Starts one more.
    pub(super) async fn start(
        &mut self,
        program: Program,
        connection: ConnectionOptions,
    ) -> Result<(), StartError> {
        self.plugins.push(program.start(connection).await?);
        Ok(())
    }

    /// Notes that a plugin does not serve, while the others go on.
    pub(super) fn note(&mut self, plugin: &str, error: StartError) {
        tracing::error!(plugin, error = %error, "plugin not started");
        self.failures.push(error.into());
    }

    /// Waits until none serves any more.
    pub(super) async fn wait_until_given_up(&mut self) {
        let plugins = self.plugins.iter_mut();
        let mut alive: Vec<_> = plugins.map(|plugin| Box::pin(plugin.failed())).collect();
        while !alive.is_empty() {
            let (error, _, rest) = select_all(alive).await;
            self.failures.push(Failure::Failed(anyhow!("{}", error.summary())));
            alive = rest;
        }
    }

    /// Whether there are any.
    pub(super) fn is_empty(&self) -> bool {
        self.plugins.is_empty()
    }

    /// Stops all cleanly; answers what went wrong before.
    pub(super) async fn stop(self, deadline: Duration) -> Vec<Failure> {
        if !self.is_empty() {
            tracing::info!("stopping");
        }
        join_all(self.plugins.into_iter().map(|plugin| plugin.stop(deadline))).await;
        self.failures
    }
}
