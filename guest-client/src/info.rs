//! What the host tells of a connection: the server's description of itself,
//! counters, and events.

use crate::Sid;
use crate::bindings::simple_nats::client::{subscriber, types};

/// What the server tells of itself, as last received.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServerInfo {
    /// The server's own id.
    pub server_id: String,
    /// The name it was given.
    pub server_name: String,
    /// Its version.
    pub version: String,
    /// Level of the client protocol.
    pub proto: i32,
    /// The commit it was built from.
    pub git_commit: Option<String>,
    /// The version of Go it was built with.
    pub go: String,
    /// The address it listens on.
    pub host: String,
    /// The port it listens on.
    pub port: u16,
    /// Whether it carries headers.
    pub headers: bool,
    /// Whether it asks for credentials.
    pub auth_required: bool,
    /// Whether it insists on TLS.
    pub tls_required: bool,
    /// Whether it asks for a client certificate.
    pub tls_verify: bool,
    /// Whether it offers TLS.
    pub tls_available: bool,
    /// Largest headers and payload together, in bytes; none for no limit.
    pub max_payload: Option<u64>,
    /// Whether it has JetStream.
    pub jetstream: bool,
    /// The server's number of this connection.
    pub connection_id: Option<u64>,
    /// The address it sees this connection come from.
    pub client_ip: Option<String>,
    /// What credentials have to sign.
    pub nonce: Option<String>,
    /// The name of its cluster.
    pub cluster: Option<String>,
    /// Whether that name was made up by the servers.
    pub cluster_dynamic: bool,
    /// Its JetStream domain.
    pub domain: Option<String>,
    /// Other servers of the cluster, as `host:port`.
    pub connect_urls: Vec<String>,
    /// The same for WebSocket.
    pub ws_connect_urls: Vec<String>,
    /// Whether it is going to shut down.
    pub lame_duck_mode: bool,
    /// Compression that it offers.
    pub compression: Option<String>,
    /// The account of this connection, where the server tells.
    pub remote_account: Option<String>,
    /// Whether that is the system account.
    pub is_system_account: bool,
    /// Level of the JetStream API.
    pub api_level: Option<u32>,
    /// Its public curve key.
    pub xkey: Option<String>,
    /// The whole as JSON text, with what the fields above leave out.
    pub json: String,
}

impl From<types::ServerInfo> for ServerInfo {
    fn from(info: types::ServerInfo) -> Self {
        Self {
            server_id: info.server_id,
            server_name: info.server_name,
            version: info.version,
            proto: info.proto,
            git_commit: info.git_commit,
            go: info.go,
            host: info.host,
            port: info.port,
            headers: info.headers,
            auth_required: info.auth_required,
            tls_required: info.tls_required,
            tls_verify: info.tls_verify,
            tls_available: info.tls_available,
            max_payload: info.max_payload,
            jetstream: info.jetstream,
            connection_id: info.connection_id,
            client_ip: info.client_ip,
            nonce: info.nonce,
            cluster: info.cluster,
            cluster_dynamic: info.cluster_dynamic,
            domain: info.domain,
            connect_urls: info.connect_urls,
            ws_connect_urls: info.ws_connect_urls,
            lame_duck_mode: info.lame_duck_mode,
            compression: info.compression,
            remote_account: info.remote_account,
            is_system_account: info.is_system_account,
            api_level: info.api_level,
            xkey: info.xkey,
            json: info.json,
        }
    }
}

/// How a connection stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectionStatus {
    /// It stands.
    Connected,
    /// It broke, and the host is restoring it.
    Reconnecting,
    /// It is ending cleanly.
    Draining,
    /// It has ended.
    Closed,
}

impl From<types::ConnectionStatus> for ConnectionStatus {
    fn from(status: types::ConnectionStatus) -> Self {
        match status {
            types::ConnectionStatus::Connected => Self::Connected,
            types::ConnectionStatus::Reconnecting => Self::Reconnecting,
            types::ConnectionStatus::Draining => Self::Draining,
            types::ConnectionStatus::Closed => Self::Closed,
        }
    }
}

/// Counters of one connection, which those who share it share too; the last four
/// are levels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Statistics {
    /// Messages received.
    pub in_messages: u64,
    /// Their payloads and headers.
    pub in_bytes: u64,
    /// Messages published.
    pub out_messages: u64,
    /// Their payloads and headers.
    pub out_bytes: u64,
    /// Messages thrown away because a mailbox was full.
    pub dropped_messages: u64,
    /// How often the connection was restored.
    pub reconnects: u64,
    /// Subscriptions that stand.
    pub subscriptions: u32,
    /// Requests that wait for answers.
    pub requests_in_flight: u32,
    /// Messages that wait for this instance.
    pub pending_messages: u64,
    /// Their size, with subject and headers.
    pub pending_bytes: u64,
}

impl From<types::Statistics> for Statistics {
    fn from(statistics: types::Statistics) -> Self {
        Self {
            in_messages: statistics.in_messages,
            in_bytes: statistics.in_bytes,
            out_messages: statistics.out_messages,
            out_bytes: statistics.out_bytes,
            dropped_messages: statistics.dropped_messages,
            reconnects: statistics.reconnects,
            subscriptions: statistics.subscriptions,
            requests_in_flight: statistics.requests_in_flight,
            pending_messages: statistics.pending_messages,
            pending_bytes: statistics.pending_bytes,
        }
    }
}

/// Counters of one subscription of this instance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PendingCounts {
    /// Messages that wait to be handled.
    pub messages: u64,
    /// Their size, with subject and headers.
    pub bytes: u64,
    /// Messages handed over so far.
    pub delivered: u64,
    /// Messages thrown away so far because the mailbox was full.
    pub dropped: u64,
}

impl From<subscriber::PendingCounts> for PendingCounts {
    fn from(counts: subscriber::PendingCounts) -> Self {
        Self {
            messages: counts.messages,
            bytes: counts.bytes,
            delivered: counts.delivered,
            dropped: counts.dropped,
        }
    }
}

/// What happened to a connection, apart from messages.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// It stands, with this server.
    Connected(String),
    /// It broke, for this reason; the host restores it.
    Disconnected(String),
    /// It stands again, with this server, and all subscriptions with it. What
    /// others published in between is lost.
    Reconnected(String),
    /// Servers of the cluster that were not known before.
    Discovered(Vec<String>),
    /// The server is about to shut down.
    LameDuck,
    /// A drain is done.
    Drained,
    /// It has ended for good, for this reason.
    Closed(String),
    /// Messages of a subscription are being thrown away because a mailbox is
    /// full: so many in this episode so far.
    SlowConsumer(Sid, u64),
    /// A subscription has ended by itself: its maximum is reached, it was
    /// drained, or the server refused it, as the text says.
    SubscriptionEnded(Sid, String),
    /// The server refused a publish to this subject, for this reason.
    PublishRefused(String, String),
    /// Any other error that the server reported.
    ServerError(String),
}

impl From<types::Event> for Event {
    fn from(event: types::Event) -> Self {
        match event {
            types::Event::Connected(server) => Self::Connected(server),
            types::Event::Disconnected(reason) => Self::Disconnected(reason),
            types::Event::Reconnected(server) => Self::Reconnected(server),
            types::Event::Discovered(servers) => Self::Discovered(servers),
            types::Event::LameDuck => Self::LameDuck,
            types::Event::Drained => Self::Drained,
            types::Event::Closed(reason) => Self::Closed(reason),
            types::Event::SlowConsumer((sid, count)) => Self::SlowConsumer(Sid(sid), count),
            types::Event::SubscriptionEnded((sid, reason)) => {
                Self::SubscriptionEnded(Sid(sid), reason)
            }
            types::Event::PublishRefused((subject, reason)) => {
                Self::PublishRefused(subject, reason)
            }
            types::Event::ServerError(text) => Self::ServerError(text),
        }
    }
}
