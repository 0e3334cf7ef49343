//! The server's side of the protocol, for the connections of one plugin: routes
//! messages, keeps a journal, and does what a test tells it.

use std::io;
use std::sync::Arc;

use bytes::{Buf, BytesMut};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::journal::Journal;
use super::message::Message;
use crate::connection::{Connecting, Connector, ServerAddress, Stream};
use crate::protocol::{self, ClientOp, SubjectPattern};

/// What may be under way in one direction, in bytes.
const PIPE_BYTES: usize = 64 << 10;

/// As servers have it that nobody has configured, in bytes.
const MAX_PAYLOAD: u64 = 1 << 20;

/// Cheap to clone; all clones are the same broker.
#[derive(Clone)]
pub(super) struct Broker(Arc<Mutex<State>>);

struct State {
    journal: Journal,
    connections: Vec<Connection>,
    last_id: u64,
    /// It takes connections.
    is_up: bool,
    /// Counts up, to give members of queue groups their turns.
    turn: usize,
}

struct Connection {
    id: u64,
    server: String,
    outgoing: UnboundedSender<Vec<u8>>,
    has_echo: bool,
    subscriptions: Vec<Subscription>,
}

struct Subscription {
    sid: u64,
    pattern: String,
    queue_group: Option<String>,
    delivered: u64,
    max: Option<u64>,
}

impl Broker {
    pub(super) fn new(journal: Journal) -> Self {
        Self(Arc::new(Mutex::new(State {
            journal,
            connections: Vec::new(),
            last_id: 0,
            is_up: true,
            turn: 0,
        })))
    }

    /// Publishes a message as another client would.
    pub(super) fn publish(&self, message: &protocol::Message) {
        self.0.lock().route(None, message);
    }

    /// Sends the same to all connections.
    pub(super) fn say(&self, line: &str) {
        for connection in &self.0.lock().connections {
            connection.say(format!("{line}\r\n").into_bytes());
        }
    }

    /// Tells all connections of itself, with these fields changed.
    pub(super) fn inform(&self, changes: &Value) {
        for connection in &self.0.lock().connections {
            connection.say(info(connection.id, &connection.server, changes));
        }
    }

    /// Drops all connections and takes no more.
    pub(super) fn go_down(&self) {
        let mut state = self.0.lock();
        state.is_up = false;
        state.connections.clear();
    }

    /// Takes connections again.
    pub(super) fn come_up(&self) {
        self.0.lock().is_up = true;
    }

    fn accept(&self, server: &ServerAddress) -> io::Result<DuplexStream> {
        let mut state = self.0.lock();
        if !state.is_up {
            return Err(io::ErrorKind::ConnectionRefused.into());
        }
        state.last_id += 1;
        let (id, server) = (state.last_id, server.to_string());
        let (theirs, ours) = tokio::io::duplex(PIPE_BYTES);
        let (outgoing, said) = unbounded_channel();
        let connection = Connection {
            id,
            server: server.clone(),
            outgoing,
            has_echo: true,
            subscriptions: Vec::new(),
        };
        connection.say(info(id, &server, &json!({})));
        state.connections.push(connection);
        tokio::spawn(self.clone().serve(id, ours, said));
        Ok(theirs)
    }

    /// Until either side ends it.
    async fn serve(self, id: u64, stream: DuplexStream, mut said: UnboundedReceiver<Vec<u8>>) {
        let (mut reader, mut writer) = tokio::io::split(stream);
        let listen = async {
            let mut input = BytesMut::new();
            while reader.read_buf(&mut input).await.is_ok_and(|count| count > 0) {
                while let Some((op, length)) = ClientOp::decode(&input) {
                    self.0.lock().take(id, op);
                    input.advance(length);
                }
            }
        };
        let speak = async {
            while let Some(bytes) = said.recv().await {
                if writer.write_all(&bytes).await.is_err() {
                    return;
                }
            }
        };
        tokio::select! {
            () = listen => {}
            () = speak => {}
        }
        self.0.lock().connections.retain(|connection| connection.id != id);
    }
}

impl Connector for Broker {
    fn connect(&self, server: &ServerAddress) -> Connecting {
        let stream = self.accept(server).map(|stream| Box::new(stream) as Box<dyn Stream>);
        Box::pin(async { stream })
    }
}

impl State {
    fn take(&mut self, id: u64, op: ClientOp<'_>) {
        match op {
            ClientOp::Pub { subject, reply_to, payload } => {
                self.publish(id, subject, reply_to, &[], payload);
            }
            ClientOp::HPub { subject, reply_to, headers, payload } => {
                self.publish(id, subject, reply_to, headers, payload);
            }
            other => {
                if let Some(connection) = self.connections.iter_mut().find(|one| one.id == id) {
                    connection.take(other);
                }
            }
        }
    }

    fn publish(
        &mut self,
        from: u64,
        subject: &str,
        reply_to: Option<&str>,
        headers: &[u8],
        payload: &[u8],
    ) {
        let message = protocol::Message::new(subject, reply_to, headers, payload);
        self.journal.add(Message::from(&message));
        self.route(Some(from), &message);
    }

    /// Gives a message to all subscriptions, and to one of each queue group.
    fn route(&mut self, from: Option<u64>, message: &protocol::Message) {
        let Ok(subject) = std::str::from_utf8(message.subject()) else { return };
        self.turn = self.turn.wrapping_add(1);
        let mut groups: Vec<(String, Vec<(usize, u64)>)> = Vec::new();
        let mut takers = Vec::new();
        for (index, connection) in self.connections.iter().enumerate() {
            if from == Some(connection.id) && !connection.has_echo {
                continue;
            }
            for one in connection.subscriptions.iter().filter(|one| one.matches(subject)) {
                let taker = (index, one.sid);
                match &one.queue_group {
                    None => takers.push(taker),
                    Some(name) => match groups.iter_mut().find(|(known, _)| known == name) {
                        Some((_, members)) => members.push(taker),
                        None => groups.push((name.clone(), vec![taker])),
                    },
                }
            }
        }
        takers.extend(groups.iter().filter_map(|(_, members)| {
            members.get(self.turn.checked_rem(members.len()).unwrap_or_default())
        }));
        for (index, sid) in takers {
            if let Some(connection) = self.connections.get_mut(index) {
                connection.give(sid, message);
            }
        }
    }
}

impl Connection {
    fn say(&self, bytes: Vec<u8>) {
        // One that has ended hears nothing.
        let _ = self.outgoing.send(bytes);
    }

    fn take(&mut self, op: ClientOp<'_>) {
        match op {
            ClientOp::Connect(options) => {
                let options: Value = serde_json::from_slice(options).unwrap_or_default();
                self.has_echo = options.get("echo").and_then(Value::as_bool).unwrap_or(true);
            }
            ClientOp::Ping => self.say(b"PONG\r\n".to_vec()),
            ClientOp::Sub { subject, queue_group, sid } => self.subscriptions.push(Subscription {
                sid,
                pattern: subject.to_owned(),
                queue_group: queue_group.map(str::to_owned),
                delivered: 0,
                max: None,
            }),
            ClientOp::Unsub { sid, max } => {
                for one in self.subscriptions.iter_mut().filter(|one| one.sid == sid) {
                    one.max = Some(max.unwrap_or_default());
                }
                self.subscriptions.retain(|one| !one.is_over());
            }
            ClientOp::Pong | ClientOp::Pub { .. } | ClientOp::HPub { .. } => {}
        }
    }

    fn give(&mut self, sid: u64, message: &protocol::Message) {
        let Some(one) = self.subscriptions.iter_mut().find(|one| one.sid == sid) else { return };
        one.delivered += 1;
        self.subscriptions.retain(|one| !one.is_over());
        self.say(delivery(sid, message));
    }
}

impl Subscription {
    fn matches(&self, subject: &str) -> bool {
        SubjectPattern::new(&self.pattern).is_ok_and(|pattern| pattern.matches(subject))
    }

    fn is_over(&self) -> bool {
        self.max.is_some_and(|max| self.delivered >= max)
    }
}

fn info(id: u64, server: &str, changes: &Value) -> Vec<u8> {
    let (host, port) = server.rsplit_once(':').unwrap_or((server, "4222"));
    let mut info = json!({
        "server_id": "TEST",
        "server_name": "test",
        "version": "2.12.0",
        "go": "",
        "proto": 1,
        "host": host,
        "port": port.parse::<u16>().unwrap_or_default(),
        "headers": true,
        "max_payload": MAX_PAYLOAD,
        "client_id": id,
    });
    if let (Some(info), Some(changes)) = (info.as_object_mut(), changes.as_object()) {
        info.extend(changes.clone());
    }
    format!("INFO {info}\r\n").into_bytes()
}

fn delivery(sid: u64, message: &protocol::Message) -> Vec<u8> {
    let (headers, payload) = (message.header_block(), message.payload());
    let mut out = if headers.is_empty() { b"MSG ".to_vec() } else { b"HMSG ".to_vec() };
    out.extend_from_slice(message.subject());
    out.extend_from_slice(format!(" {sid} ").as_bytes());
    if let Some(reply_to) = message.reply_to() {
        out.extend_from_slice(reply_to);
        out.push(b' ');
    }
    if !headers.is_empty() {
        out.extend_from_slice(format!("{} ", headers.len()).as_bytes());
    }
    out.extend_from_slice(format!("{}\r\n", headers.len() + payload.len()).as_bytes());
    out.extend_from_slice(headers);
    out.extend_from_slice(payload);
    out.extend_from_slice(b"\r\n");
    out
}
