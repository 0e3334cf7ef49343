//! The admin port of the host under test, from outside.

use std::net::SocketAddr;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use test_support::{HostProcess, HttpAnswer, http};

/// Asks the admin port.
#[derive(Clone, Copy)]
pub(crate) struct Admin {
    pub(crate) address: SocketAddr,
}

impl Admin {
    /// The port that the host tells of in its log.
    pub(crate) async fn of(host: &HostProcess) -> Result<Self> {
        let line = host
            .wait_for_log("the admin port", |line| line.message() == Some("admin port"))
            .await?;
        let address = line.field("address").and_then(Value::as_str).context("no address")?;
        Ok(Self { address: address.parse()? })
    }

    pub(crate) async fn get(&self, path: &str) -> Result<HttpAnswer> {
        http(self.address, "GET", path, &[]).await
    }

    pub(crate) async fn post(&self, path: &str) -> Result<HttpAnswer> {
        http(self.address, "POST", path, &[]).await
    }

    /// A plugin as it is now.
    pub(crate) async fn plugin(&self, name: &str) -> Result<Value> {
        let answer = self.get(&format!("/plugins/{name}")).await?;
        ensure!(answer.status == 200, "{answer:?}");
        answer.json()
    }
}
