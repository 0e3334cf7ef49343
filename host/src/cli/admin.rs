//! The admin port: opening it, and asking it.

use std::io::IsTerminal;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow};
use clap::{Args, ValueEnum};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use super::exit::Failure;
use crate::admin::{AdminError, AdminPort, DEFAULT_ADDRESS, Token};
use crate::plugin::Host;

/// A reload compiles, which may take long, and drains.
const PATIENCE: Duration = Duration::from_secs(300);

/// Whether there is an admin port.
#[derive(Debug, Args)]
#[command(next_help_heading = "Admin port")]
pub(super) struct AdminArguments {
    /// Open the admin port at this address; port 0 is a free one. Addresses other
    /// than loopback ones need a token.
    #[arg(long, value_name = "ADDRESS")]
    admin: Option<SocketAddr>,

    /// Secret that requests to the admin port must bear.
    #[arg(long, value_name = "TOKEN", env = "SIMPLE_NATS_ADMIN_TOKEN", hide_env_values = true)]
    admin_token: Option<String>,
}

impl AdminArguments {
    pub(super) fn is_wanted(&self) -> bool {
        self.admin.is_some()
    }

    /// Opens the port, if one is wanted, and answers for the host from then on.
    pub(super) async fn open(&self, host: &Arc<Host>) -> Result<(), Failure> {
        let Some(address) = self.admin else { return Ok(()) };
        let token = self.admin_token.as_deref().and_then(Token::new);
        let port = AdminPort::open(address, token).await.map_err(|error| match error {
            AdminError::NeedsToken(_) => Failure::Usage(error.into()),
            _ => Failure::Failed(error.into()),
        })?;
        tracing::info!(address = %port.address()?, "admin port");
        tokio::spawn(port.serve(Arc::clone(host)));
        Ok(())
    }
}

/// How an answer is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Output {
    /// For people.
    Table,
    /// For machines.
    Json,
}

impl Output {
    /// What was asked for, else what suits the standard output.
    pub(super) fn or_suitable(asked: Option<Self>) -> Self {
        let terminal = std::io::stdout().is_terminal();
        asked.unwrap_or(if terminal { Self::Table } else { Self::Json })
    }
}

/// Asks the admin port of a running host.
#[derive(Debug, Args)]
pub(super) struct AdminClient {
    /// Where the admin port of the running host is.
    #[arg(long, value_name = "HOST:PORT", default_value_t = DEFAULT_ADDRESS.to_string())]
    admin: String,

    /// Its secret.
    #[arg(long, value_name = "TOKEN", env = "SIMPLE_NATS_ADMIN_TOKEN", hide_env_values = true)]
    admin_token: Option<String>,
}

impl AdminClient {
    /// The plugins, or the one of this name.
    pub(super) fn plugins(&self, name: Option<&str>) -> Result<Value, Failure> {
        match name {
            None => self.ask("GET", "plugins"),
            Some(name) => self.ask("GET", &format!("plugins/{}", encoded(name))),
        }
    }

    /// Does something with a plugin; answers what it is like afterwards.
    pub(super) fn act(&self, name: &str, action: &str) -> Result<Value, Failure> {
        self.ask("POST", &format!("plugins/{}/{action}", encoded(name)))
    }

    fn ask(&self, method: &str, path: &str) -> Result<Value, Failure> {
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .proxy(None)
            .timeout_global(Some(PATIENCE));
        let agent: ureq::Agent = config.build().into();
        let mut request = ureq::http::Request::builder()
            .method(method)
            .uri(format!("http://{}/{path}", self.admin));
        if let Some(token) = self.admin_token.as_deref().filter(|token| !token.is_empty()) {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let request = request.body(()).map_err(|error| {
            Failure::Usage(anyhow!("{:?} is no address of an admin port: {error}", self.admin))
        })?;
        let mut response = agent.run(request).map_err(|error| {
            Failure::Failed(anyhow!(
                "reach the admin port {}: {error}; a host has one if it is run with --admin",
                self.admin
            ))
        })?;
        let answer: Value = response
            .body_mut()
            .read_json()
            .with_context(|| format!("the answer of {} is no JSON", self.admin))?;
        if response.status().is_success() {
            return Ok(answer);
        }
        let reason = answer.get("error").and_then(Value::as_str).unwrap_or("no reason was given");
        Err(Failure::Failed(anyhow!("{reason}")))
    }
}

fn encoded(name: &str) -> impl std::fmt::Display {
    utf8_percent_encode(name, NON_ALPHANUMERIC)
}
