//! What the probe has seen, and how it says so in JSON.

use std::collections::{HashMap, VecDeque};

use serde_json::{Value, json};
use simple_nats_guest::{ConnectionStatus, Error, Event, Message, ServerInfo, Statistics};

const LAST: usize = 8;

#[derive(Default)]
pub struct Record {
    subscriptions: HashMap<u64, Seen>,
    events: Vec<Value>,
}

#[derive(Default)]
struct Seen {
    count: u64,
    last: VecDeque<Value>,
}

impl Record {
    pub fn add_message(&mut self, message: &Message) {
        let seen = self.subscriptions.entry(message.sid().into()).or_default();
        seen.count += 1;
        seen.last.truncate(LAST - 1);
        seen.last.push_front(message_json(message));
    }

    pub fn add_event(&mut self, client: usize, event: Event) {
        let (kind, detail) = match event {
            Event::Connected(server) => ("connected", json!(server)),
            Event::Disconnected(reason) => ("disconnected", json!(reason)),
            Event::Reconnected(server) => ("reconnected", json!(server)),
            Event::Discovered(servers) => ("discovered", json!(servers)),
            Event::LameDuck => ("lame-duck", Value::Null),
            Event::Drained => ("drained", Value::Null),
            Event::Closed(reason) => ("closed", json!(reason)),
            Event::SlowConsumer(sid, dropped) => {
                ("slow-consumer", json!([u64::from(sid), dropped]))
            }
            Event::SubscriptionEnded(sid, reason) => {
                ("subscription-ended", json!([u64::from(sid), reason]))
            }
            Event::PublishRefused(subject, reason) => ("publish-refused", json!([subject, reason])),
            Event::ServerError(text) => ("server-error", json!(text)),
            other => ("other", json!(format!("{other:?}"))),
        };
        self.events.push(json!({ "client": client, "kind": kind, "detail": detail }));
    }

    /// How many messages a subscription got, and the newest, newest first.
    pub fn seen(&self, sid: u64) -> Value {
        match self.subscriptions.get(&sid) {
            Some(seen) => json!({ "count": seen.count, "last": seen.last }),
            None => json!({ "count": 0, "last": [] }),
        }
    }

    pub fn events(&self) -> Value {
        json!(self.events)
    }
}

pub fn message_json(message: &Message) -> Value {
    let headers = message.headers();
    let fields: Vec<_> =
        headers.iter().map(|(name, value)| (name, String::from_utf8_lossy(value))).collect();
    json!({
        "sid": u64::from(message.sid()),
        "subject": message.subject(),
        "reply_to": message.reply_to(),
        "headers": fields,
        "status": message.status().map(|status| (status.code, status.description)),
        "payload": String::from_utf8_lossy(message.payload()),
    })
}

/// `kind` is the name of the error's case, as Rust writes it.
pub fn error_json(error: &Error) -> Value {
    let debug = format!("{error:?}");
    let kind = debug.split('(').next();
    json!({ "kind": kind, "text": error.to_string() })
}

pub fn server_info_json(info: &ServerInfo) -> Value {
    json!({
        "server_id": info.server_id, "server_name": info.server_name, "version": info.version,
        "proto": info.proto, "git_commit": info.git_commit, "go": info.go, "host": info.host,
        "port": info.port, "headers": info.headers, "auth_required": info.auth_required,
        "tls_required": info.tls_required, "tls_verify": info.tls_verify,
        "tls_available": info.tls_available, "max_payload": info.max_payload,
        "jetstream": info.jetstream, "connection_id": info.connection_id,
        "client_ip": info.client_ip, "nonce": info.nonce, "cluster": info.cluster,
        "cluster_dynamic": info.cluster_dynamic, "domain": info.domain,
        "connect_urls": info.connect_urls, "ws_connect_urls": info.ws_connect_urls,
        "lame_duck_mode": info.lame_duck_mode, "compression": info.compression,
        "remote_account": info.remote_account, "is_system_account": info.is_system_account,
        "api_level": info.api_level, "xkey": info.xkey, "json": info.json,
    })
}

pub fn statistics_json(statistics: &Statistics) -> Value {
    json!({
        "in_messages": statistics.in_messages, "in_bytes": statistics.in_bytes,
        "out_messages": statistics.out_messages, "out_bytes": statistics.out_bytes,
        "dropped_messages": statistics.dropped_messages, "reconnects": statistics.reconnects,
        "subscriptions": statistics.subscriptions,
        "requests_in_flight": statistics.requests_in_flight,
        "pending_messages": statistics.pending_messages,
        "pending_bytes": statistics.pending_bytes,
    })
}

pub fn status_json(status: ConnectionStatus) -> Value {
    json!(match status {
        ConnectionStatus::Connected => "connected",
        ConnectionStatus::Reconnecting => "reconnecting",
        ConnectionStatus::Draining => "draining",
        ConnectionStatus::Closed => "closed",
    })
}
