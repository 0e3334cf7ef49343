//! Between the host's types and those of the WIT contract. Errors become values
//! for guests here and nowhere else.

use std::sync::atomic::Ordering;

use crate::connection::{Answer, ClientError, ConnectError, ConnectionEvent, ConnectionStatus};
use crate::plugin::dispatch::mailbox::{Event, Incoming};
use crate::plugin::loading::bindings::types::{self, Error};
use crate::protocol::{HeaderError, Message, RequestError, ServerInfo, SessionError, SubjectError};

/// A message with every part on its own.
pub(in crate::plugin) fn message(incoming: &Incoming) -> types::Message {
    unpack(incoming.client, incoming.sid, &incoming.message)
}

fn unpack(client: u32, sid: u64, message: &Message) -> types::Message {
    let fields = message.headers();
    types::Message {
        client,
        sid,
        subject: text(message.subject()),
        reply_to: message.reply_to().map(text),
        headers: fields
            .fields()
            .map(|(name, value)| types::Header { name: text(name), value: value.to_vec() })
            .collect(),
        status: message
            .status()
            .map(|status| types::Status { code: status.code, description: status.description }),
        payload: message.payload().to_vec(),
    }
}

/// What came of a request.
pub(in crate::plugin) fn answer(
    client: u32,
    answer: &Answer,
) -> Result<Option<types::Message>, Error> {
    match answer {
        Ok(message) => Ok(message.as_ref().map(|message| unpack(client, 0, message))),
        Err(error) => Err(error.clone().into()),
    }
}

/// Strings of the component model are UTF-8, those of the wire need not be.
fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

pub(in crate::plugin) fn event(event: &Event) -> types::Event {
    match event {
        Event::Connected(server) => types::Event::Connected(server.clone()),
        Event::Drained => types::Event::Drained,
        Event::SlowConsumer { sid, dropped } => {
            types::Event::SlowConsumer((*sid, dropped.load(Ordering::Relaxed)))
        }
        Event::SubscriptionEnded { sid, reason } => {
            types::Event::SubscriptionEnded((*sid, reason.clone()))
        }
        Event::Connection(event) => match event.clone() {
            ConnectionEvent::Disconnected(reason) => types::Event::Disconnected(reason),
            ConnectionEvent::Reconnected(server) => types::Event::Reconnected(server),
            ConnectionEvent::Discovered(servers) => types::Event::Discovered(servers),
            ConnectionEvent::LameDuck => types::Event::LameDuck,
            ConnectionEvent::Drained => types::Event::Drained,
            ConnectionEvent::Closed(reason) => types::Event::Closed(reason),
            ConnectionEvent::PublishRefused { subject, text } => {
                types::Event::PublishRefused((subject, text))
            }
            ConnectionEvent::ServerError(error) => types::Event::ServerError(error.to_string()),
        },
    }
}

impl From<ConnectionStatus> for types::ConnectionStatus {
    fn from(status: ConnectionStatus) -> Self {
        match status {
            ConnectionStatus::Connected => Self::Connected,
            ConnectionStatus::Reconnecting => Self::Reconnecting,
            ConnectionStatus::Draining => Self::Draining,
            ConnectionStatus::Closed => Self::Closed,
        }
    }
}

impl From<SubjectError> for Error {
    fn from(error: SubjectError) -> Self {
        Self::SubjectInvalid(error.to_string())
    }
}

impl From<HeaderError> for Error {
    fn from(error: HeaderError) -> Self {
        Self::HeaderInvalid(error.to_string())
    }
}

impl From<SessionError> for Error {
    fn from(error: SessionError) -> Self {
        match error {
            SessionError::Closed | SessionError::Draining => Self::Closed,
            SessionError::PayloadTooLarge { limit, .. } => Self::PayloadTooLarge(limit),
            SessionError::ControlLineTooLong { .. } => Self::SubjectInvalid(error.to_string()),
            SessionError::BufferFull { .. } => Self::BufferFull,
            SessionError::TooManyPings { .. } => Self::QuotaExceeded(error.to_string()),
            SessionError::UnknownSubscription(sid) => Self::UnknownSubscription(sid.0),
            other => Self::Other(other.to_string()),
        }
    }
}

impl From<RequestError> for Error {
    fn from(error: RequestError) -> Self {
        match error {
            RequestError::Timeout => Self::Timeout,
            RequestError::NoResponders => Self::NoResponders,
            RequestError::ConnectionLost => Self::ConnectionLost,
            RequestError::PermissionDenied(text) => Self::PermissionDenied(text),
            RequestError::NotSent(error) => error.into(),
            RequestError::Closed => Self::Closed,
        }
    }
}

impl From<ClientError> for Error {
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::Session(error) => error.into(),
            ClientError::Request(error) => error.into(),
            ClientError::Timeout(_) => Self::Timeout,
            ClientError::ConnectionLost => Self::ConnectionLost,
        }
    }
}

impl From<ConnectError> for Error {
    fn from(error: ConnectError) -> Self {
        Self::ConnectFailed(error.to_string())
    }
}

impl From<&ServerInfo> for types::ServerInfo {
    fn from(info: &ServerInfo) -> Self {
        Self {
            server_id: info.server_id.clone(),
            server_name: info.server_name.clone(),
            version: info.version.clone(),
            proto: info.proto,
            git_commit: info.git_commit.clone(),
            go: info.go.clone(),
            host: info.host.clone(),
            port: info.port,
            headers: info.headers,
            auth_required: info.auth_required,
            tls_required: info.tls_required,
            tls_verify: info.tls_verify,
            tls_available: info.tls_available,
            max_payload: info.max_payload,
            jetstream: info.jetstream,
            connection_id: info.client_id,
            client_ip: info.client_ip.clone(),
            nonce: info.nonce.clone(),
            cluster: info.cluster.clone(),
            cluster_dynamic: info.cluster_dynamic,
            domain: info.domain.clone(),
            connect_urls: info.connect_urls.clone(),
            ws_connect_urls: info.ws_connect_urls.clone(),
            lame_duck_mode: info.ldm,
            compression: info.compression.clone(),
            remote_account: info.remote_account.clone(),
            is_system_account: info.acc_is_sys,
            api_level: info.api_lvl,
            xkey: info.xkey.clone(),
            json: info.json.clone(),
        }
    }
}
