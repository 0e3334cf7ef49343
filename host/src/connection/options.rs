//! What a connection is made with.

use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use super::address::ServerAddress;
use super::connector::Connector;
use super::credentials::Credentials;
use super::error::DialError;
use super::receiver::Listener;
use super::tls::TlsOptions;

/// Everything that decides how a connection behaves. Build it with
/// [`ConnectionOptions::new`] and change the public fields.
#[derive(Clone)]
#[non_exhaustive]
pub struct ConnectionOptions {
    /// Those to begin with. A cluster tells of its other ones.
    pub servers: Vec<ServerAddress>,
    /// Sent to the server as the connection's name.
    pub name: String,
    /// Answers to requests arrive at `PREFIX.N`. Two connections with one prefix
    /// take each other's answers; see [`own_inbox_prefix`].
    pub inbox_prefix: String,
    /// The server keeps this connection's own messages from its subscriptions.
    pub no_echo: bool,
    /// How it logs in, where an address does not say.
    pub credentials: Credentials,
    /// How it encrypts.
    pub tls: TlsOptions,
    /// Try the servers in the order given instead of a random one.
    pub keep_order: bool,
    /// Go on trying a server that has refused the login twice.
    pub retry_failed_login: bool,
    /// Rounds through all servers, without success, after which the connection
    /// ends for good. None: it never does.
    pub max_reconnects: Option<u32>,
    /// Bounds the TCP connect and the handshake, for each server.
    pub connect_timeout: Duration,
    /// After so long in which a server has taken none of the bytes that wait for it,
    /// it is given up.
    pub write_timeout: Duration,
    /// How often the server is asked whether it still lives.
    pub ping_interval: Duration,
    /// How many such questions may stay unanswered.
    pub max_pings_out: u32,
    /// Waits between rounds through the servers grow up to this.
    pub reconnect_wait_max: Duration,
    /// Bytes that may wait to be sent, whether there is a server or not.
    pub max_pending_bytes: usize,
    /// Messages that may wait while there is no server.
    pub max_pending_messages: usize,
    /// Told what happens to the connection.
    pub listener: Option<Arc<dyn Listener>>,
    /// Makes the streams. None: by TCP.
    pub(crate) connector: Option<Arc<dyn Connector>>,
}

impl ConnectionOptions {
    /// Options for a connection with this name, everything else at its default.
    /// The inbox prefix becomes `requests.NAME`.
    pub fn new(servers: Vec<ServerAddress>, name: impl Into<String>) -> Self {
        let name = name.into();
        Self {
            servers,
            inbox_prefix: format!("requests.{name}"),
            name,
            no_echo: false,
            credentials: Credentials::None,
            tls: TlsOptions::default(),
            keep_order: false,
            retry_failed_login: false,
            max_reconnects: None,
            connect_timeout: Duration::from_secs(5),
            write_timeout: Duration::from_secs(10),
            ping_interval: Duration::from_secs(60),
            max_pings_out: 2,
            reconnect_wait_max: Duration::from_secs(8),
            max_pending_bytes: 8 << 20,
            max_pending_messages: 65_536,
            listener: None,
            connector: None,
        }
    }

    /// Whether connections made with these and with those go to the same servers, log
    /// in alike and behave alike; names and listeners apart.
    pub fn is_like(&self, other: &Self) -> bool {
        let Self {
            servers,
            name: _,
            inbox_prefix: _,
            no_echo,
            credentials,
            tls,
            keep_order,
            retry_failed_login,
            max_reconnects,
            connect_timeout,
            write_timeout,
            ping_interval,
            max_pings_out,
            reconnect_wait_max,
            max_pending_bytes,
            max_pending_messages,
            listener: _,
            connector,
        } = self;
        *servers == other.servers
            && *no_echo == other.no_echo
            && *credentials == other.credentials
            && *tls == other.tls
            && *keep_order == other.keep_order
            && *retry_failed_login == other.retry_failed_login
            && *max_reconnects == other.max_reconnects
            && *connect_timeout == other.connect_timeout
            && *write_timeout == other.write_timeout
            && *ping_interval == other.ping_interval
            && *max_pings_out == other.max_pings_out
            && *reconnect_wait_max == other.reconnect_wait_max
            && *max_pending_bytes == other.max_pending_bytes
            && *max_pending_messages == other.max_pending_messages
            && match (connector, &other.connector) {
                (None, None) => true,
                (Some(own), Some(theirs)) => Arc::ptr_eq(own, theirs),
                _ => false,
            }
    }

    /// Checks that the files which it names can be used, as each connect does.
    ///
    /// # Errors
    /// With the file that can't be, and why.
    pub fn check(&self) -> Result<(), DialError> {
        self.credentials.check()?;
        Ok(self.tls.check()?)
    }
}

/// An inbox prefix for one connection out of one that many may be given:
/// `PREFIX.TOKEN`, with a token that no other has.
pub fn own_inbox_prefix(prefix: &str) -> String {
    let token = Uuid::new_v4().simple().to_string();
    format!("{prefix}.{}", token.get(..16).unwrap_or(&token))
}
