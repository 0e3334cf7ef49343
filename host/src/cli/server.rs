//! Which server to use and how: options that all commands share.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::anyhow;
use clap::builder::Resettable;
use clap::{Arg, Args};

use super::context::Context;
use super::embedded::Embedded;
use super::exit::Failure;
use super::login::{LoginArguments, variable};
use crate::connection::{self, Client, ConnectionOptions, ServerAddress, own_inbox_prefix};
use crate::protocol::check_inbox_prefix;

/// Where NATS is if nobody says.
const DEFAULT_SERVER: &str = "localhost:4222";

/// What is said instead of an address to have one started.
const EMBEDDED: &str = "embedded";

/// Where NATS is, and how to get in.
#[derive(Debug, Args)]
#[command(next_help_heading = "Connection", mut_args(forget_empty_variable))]
pub(super) struct ServerArguments {
    /// Server addresses, such as `localhost`, `nats://user:pass@host:4222`,
    /// `tls://host` or `[::1]:4222`, separated by commas; or `embedded` to start
    /// a real nats-server on a free port, for as long as this runs.
    /// [env: NATS_URL] [default: localhost:4222]
    #[arg(short, long, value_name = "URL[,URL]")]
    server: Option<String>,

    /// Take what is not said otherwise from this context of the `nats` command.
    /// [env: NATS_CONTEXT]
    #[arg(long, value_name = "NAME")]
    context: Option<String>,

    /// Try the servers in the order given instead of a random one.
    #[arg(long)]
    no_randomize: bool,

    #[command(flatten)]
    login: LoginArguments,

    #[command(flatten)]
    tls: TlsArguments,

    #[command(flatten)]
    behaviour: BehaviourArguments,
}

/// How to encrypt.
#[derive(Debug, Args)]
struct TlsArguments {
    /// Refuse servers without TLS; `tls://` in the address says the same.
    #[arg(long)]
    tls: bool,

    /// Encrypt before the server says anything (`handshake_first`).
    #[arg(long)]
    tls_first: bool,

    /// Trust the certificate authorities in this file instead of the system's.
    #[arg(long, env = "NATS_CA", value_name = "FILE")]
    tls_ca: Option<PathBuf>,

    /// Own certificate; with --tls-key.
    #[arg(long, env = "NATS_CERT", value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,

    /// Private key of the own certificate.
    #[arg(long, env = "NATS_KEY", value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
}

/// How a connection behaves once it is made, and when it breaks.
#[derive(Debug, Args)]
struct BehaviourArguments {
    /// Answers to requests arrive at PREFIX.TOKEN.N, with a token that each
    /// connection makes up. Default: `requests.NAME.N`, or `requests.NAME.TOKEN.N`
    /// if the name was chosen.
    #[arg(long, value_name = "PREFIX")]
    inbox_prefix: Option<String>,

    /// Do not receive what this connection itself publishes.
    #[arg(long)]
    no_echo: bool,

    /// Bounds connecting and logging in, for each server.
    #[arg(long, default_value = "5s", value_name = "TIME", value_parser = humantime::parse_duration)]
    connect_timeout: Duration,

    /// How often to ask the server whether it lives.
    #[arg(long, default_value = "1m", value_name = "TIME", value_parser = humantime::parse_duration)]
    ping_interval: Duration,

    /// Give a server up after so many unanswered questions.
    #[arg(long, default_value_t = 2, value_name = "N")]
    max_pings_out: u32,

    /// Longest wait between two rounds through the servers.
    #[arg(long, default_value = "8s", value_name = "TIME", value_parser = humantime::parse_duration)]
    reconnect_wait_max: Duration,

    /// Rounds through all servers after which to give up. Default: never.
    #[arg(long, value_name = "N")]
    max_reconnects: Option<u32>,
}

/// An environment variable that is there but empty says nothing.
fn forget_empty_variable(argument: Arg) -> Arg {
    let value = argument.get_env().and_then(std::env::var_os);
    if value.is_some_and(|value| value.is_empty()) {
        return argument.env(Resettable::Reset);
    }
    argument
}

/// What to connect with; an embedded server ends with this value.
pub(super) struct Servers {
    pub(super) options: ConnectionOptions,
    _embedded: Option<Embedded>,
}

impl ServerArguments {
    /// The prefix that was chosen.
    pub(super) fn inbox_prefix(&self) -> Option<&str> {
        self.behaviour.inbox_prefix.as_deref()
    }

    /// The same with an embedded server, unless the command line says otherwise.
    /// The environment may name a server that others work with.
    pub(super) fn or_embedded(mut self) -> Self {
        if self.context.is_none() {
            self.server.get_or_insert_with(|| EMBEDDED.to_owned());
        }
        self
    }

    /// Checks the arguments; starts the embedded server if that is wanted.
    pub(super) async fn open(&self) -> Result<Servers, Failure> {
        self.open_for(true).await
    }

    /// The same, but an embedded server that is not needed is not started: then
    /// there are none.
    pub(super) async fn open_for(&self, is_needed: bool) -> Result<Servers, Failure> {
        let context = self.context()?;
        let server = self.server(&context)?;
        let is_embedded = server == EMBEDDED;
        let embedded = if is_embedded && is_needed {
            let embedded = Embedded::start().await.map_err(Failure::NoServer)?;
            tracing::info!(server = %embedded.address(), "embedded nats-server");
            Some(embedded)
        } else {
            None
        };
        let mut addresses = match &embedded {
            Some(embedded) => vec![embedded.address().clone()],
            None if is_embedded => Vec::new(),
            None => {
                connection::parse_list(&server).map_err(|error| Failure::Usage(error.into()))?
            }
        };
        if self.login.is_given() && self.server.is_none() {
            // The command line goes before the environment.
            addresses.iter_mut().for_each(ServerAddress::forget_login);
        }
        let mut options = ConnectionOptions::new(addresses, uuid::Uuid::new_v4().to_string());
        options.keep_order = self.no_randomize;
        options.credentials = self.login.credentials(&context)?;
        options.retry_failed_login = self.login.retry_failed_login;
        self.tls.apply(&context, &mut options);
        self.behaviour.apply(&mut options)?;
        options.check().map_err(|error| Failure::Usage(error.into()))?;
        Ok(Servers { options, _embedded: embedded })
    }

    fn context(&self) -> Result<Context, Failure> {
        let name = match &self.context {
            Some(name) => Some(name.clone()),
            None => variable("NATS_CONTEXT")?,
        };
        name.map_or_else(|| Ok(Context::default()), |name| Context::read(&name))
    }

    fn server(&self, context: &Context) -> Result<String, Failure> {
        if let Some(server) = &self.server {
            return Ok(server.clone());
        }
        let by_default = || context.url().unwrap_or(DEFAULT_SERVER).to_owned();
        Ok(variable("NATS_URL")?.unwrap_or_else(by_default))
    }

    /// Connects under a random name; for commands that are clients themselves.
    pub(super) async fn connect(&self) -> Result<(Client, Servers), Failure> {
        let servers = self.open().await?;
        let client = Client::connect(servers.options.clone()).await?;
        Ok((client, servers))
    }
}

impl TlsArguments {
    fn apply(&self, context: &Context, options: &mut ConnectionOptions) {
        options.tls.first = self.tls_first || context.tls_first();
        options.tls.required = self.tls || options.tls.first;
        options.tls.ca_file = self.tls_ca.clone().or_else(|| context.ca());
        let own = self.tls_cert.clone().zip(self.tls_key.clone());
        options.tls.identity = own.or_else(|| context.identity());
    }
}

impl BehaviourArguments {
    fn apply(&self, options: &mut ConnectionOptions) -> Result<(), Failure> {
        if let Some(prefix) = &self.inbox_prefix {
            check_inbox_prefix(prefix).map_err(|error| Failure::Usage(error.into()))?;
            options.inbox_prefix = own_inbox_prefix(prefix);
        }
        for (name, time) in
            [("connect-timeout", self.connect_timeout), ("ping-interval", self.ping_interval)]
        {
            if time.is_zero() {
                return Err(Failure::Usage(anyhow!("--{name} 0s is too short; give at least 1ms")));
            }
        }
        options.no_echo = self.no_echo;
        options.connect_timeout = self.connect_timeout;
        options.ping_interval = self.ping_interval;
        options.max_pings_out = self.max_pings_out;
        options.reconnect_wait_max = self.reconnect_wait_max;
        options.max_reconnects = self.max_reconnects;
        Ok(())
    }
}

/// How long the server may take to confirm what it was sent.
pub(super) const FLUSH: Duration = Duration::from_secs(5);

/// Sees everything published to the server and hangs up.
pub(super) async fn finish(client: &Client) -> Result<(), Failure> {
    client.flush(FLUSH).await.map_err(|error| Failure::Failed(error.into()))?;
    client.close(FLUSH).await;
    Ok(())
}
