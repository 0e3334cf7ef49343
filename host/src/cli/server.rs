//! `--server`: which server to use.

use std::time::Duration;

use clap::Args;

use super::embedded::Embedded;
use super::exit::Failure;
use crate::connection::{self, Client, ConnectionOptions, ServerAddress};

/// Where NATS is.
#[derive(Debug, Args)]
pub(super) struct ServerArguments {
    /// Server addresses, such as `localhost`, `nats://user:pass@host:4222` or
    /// `[::1]:4222`, separated by commas; or `embedded` to start a real
    /// nats-server on a free port, for as long as this runs.
    #[arg(short, long, env = "NATS_URL", default_value = "localhost:4222", value_name = "URL[,URL]",
          hide_env_values = true)]
    server: String,
}

/// Servers to connect to; an embedded one ends with this value.
pub(super) struct Servers {
    pub(super) addresses: Vec<ServerAddress>,
    _embedded: Option<Embedded>,
}

impl ServerArguments {
    pub(super) async fn open(&self) -> Result<Servers, Failure> {
        if self.server == "embedded" {
            let embedded = Embedded::start().await.map_err(Failure::NoServer)?;
            tracing::info!(server = %embedded.address(), "embedded nats-server");
            return Ok(Servers {
                addresses: vec![embedded.address().clone()],
                _embedded: Some(embedded),
            });
        }
        let addresses = connection::parse_list(&self.server)
            .map_err(|error| Failure::Usage(error.into()))?;
        Ok(Servers { addresses, _embedded: None })
    }

    /// Connects under a name; for commands that are clients themselves.
    pub(super) async fn connect(&self) -> Result<(Client, Servers), Failure> {
        let servers = self.open().await?;
        let name = uuid::Uuid::new_v4().to_string();
        let client = Client::connect(ConnectionOptions::new(servers.addresses.clone(), name));
        Ok((client.await?, servers))
    }
}

/// Sees everything published to the server and hangs up.
pub(super) async fn finish(client: &Client) -> Result<(), Failure> {
    const FLUSH: Duration = Duration::from_secs(5);
    client.flush(FLUSH).await.map_err(|error| Failure::Failed(error.into()))?;
    client.close(FLUSH).await;
    Ok(())
}
