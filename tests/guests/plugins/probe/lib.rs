//! Does what a JSON command on `probe.cmd` says, and answers `{"ok": value}` or
//! `{"error": {"kind", "text"}}`; so one guest serves tests of every operation.

mod command;
mod record;

use std::cell::RefCell;
use std::net::TcpStream;
use std::rc::Rc;
use std::time::Duration;

use command::{Command, Operation, Request};
use record::{Record, error_json, message_json};
use serde_json::{Value, json};
use simple_nats_guest::{
    Answer, Error, Message, NatsClient, PublishOptions, RequestId, Sid, TimerId, cancel_timer,
    set_interval, set_timer,
};

simple_nats_guest::plugin!(start);

fn start() -> Result<(), Error> {
    let nats = NatsClient::connect(None)?;
    let mut probe = Probe::default();
    probe.adopt(nats);
    nats.subscribe("probe.cmd", None, move |message: Message| {
        let outcome = message.json().and_then(|command| probe.obey(command));
        message.respond_json(&match outcome {
            Ok(value) => json!({ "ok": value }),
            Err(error) => json!({ "error": error_json(&error) }),
        })
    })?;
    println!("probe obeys on probe.cmd");
    Ok(())
}

#[derive(Default)]
struct Probe {
    clients: Vec<NatsClient>,
    record: Rc<RefCell<Record>>,
    memory: Vec<Vec<u8>>,
}

impl Probe {
    /// The index of a connection, which is the same if the connection is.
    fn adopt(&mut self, nats: NatsClient) -> usize {
        if let Some(index) = self.clients.iter().position(|other| *other == nats) {
            return index;
        }
        let index = self.clients.len();
        let record = Rc::clone(&self.record);
        nats.on_event(move |event| record.borrow_mut().add_event(index, event));
        self.clients.push(nats);
        index
    }

    fn obey(&mut self, command: Command) -> Result<Value, Error> {
        let nats = *self
            .clients
            .get(command.client)
            .ok_or_else(|| Error::Other(format!("no client {}", command.client)))?;
        let done = |()| Value::Null;
        match command.operation {
            Operation::Connect { server, name, prefix, no_echo } => {
                let mut builder = NatsClient::builder();
                if let Some(name) = name {
                    builder = builder.name(name);
                }
                if let Some(prefix) = prefix {
                    builder = builder.inbox_prefix(prefix);
                }
                if no_echo {
                    builder = builder.no_echo();
                }
                let nats = builder.connect(server.as_deref())?;
                Ok(json!(self.adopt(nats)))
            }
            Operation::Name => Ok(json!(nats.name()?)),
            Operation::ServerInfo => Ok(record::server_info_json(&nats.server_info()?)),
            Operation::Status => Ok(record::status_json(nats.status()?)),
            Operation::Statistics => Ok(record::statistics_json(&nats.statistics()?)),
            Operation::NewInbox => Ok(json!(nats.new_inbox()?)),
            Operation::Flush { timeout_ms } => {
                nats.flush(Duration::from_millis(timeout_ms)).map(done)
            }
            Operation::Rtt { timeout_ms } => {
                let rtt = nats.rtt(Duration::from_millis(timeout_ms))?;
                Ok(json!(u64::try_from(rtt.as_nanos()).unwrap_or(u64::MAX)))
            }
            Operation::Drain => nats.drain().map(done),
            Operation::Close => {
                nats.close();
                Ok(Value::Null)
            }
            Operation::Publish { subject, payload, reply_to: None, headers }
                if headers.is_empty() =>
            {
                nats.publish(&subject, payload).map(done)
            }
            Operation::Publish { subject, payload, reply_to, headers } => {
                let mut options = PublishOptions::new().headers(headers.into_iter().collect());
                if let Some(reply_to) = reply_to {
                    options = options.reply_to(reply_to);
                }
                nats.publish_with(&subject, payload, &options).map(done)
            }
            Operation::Subscribe { subject, queue } => {
                let record = Rc::clone(&self.record);
                let callback = move |message| record.borrow_mut().add_message(&message);
                let sid = nats.subscribe(&subject, queue.as_deref(), callback)?;
                Ok(json!(u64::from(sid)))
            }
            Operation::Unsubscribe { sid, max } => nats.unsubscribe(Sid::from(sid), max).map(done),
            Operation::DrainSubscription { sid } => {
                nats.drain_subscription(Sid::from(sid)).map(done)
            }
            Operation::Pending { sid } => {
                let counts = nats.pending(Sid::from(sid))?;
                Ok(json!({
                    "messages": counts.messages, "bytes": counts.bytes,
                    "delivered": counts.delivered, "dropped": counts.dropped,
                }))
            }
            Operation::Request { relay, request } => send_request(nats, relay, &request),
            Operation::CancelRequest { id } => {
                nats.cancel_request(RequestId::from(id));
                Ok(Value::Null)
            }
            Operation::RequestAndWait { request } => wait_for_answers(nats, &request),
            Operation::SetTimer { relay, delay_ms, repeat } => {
                let delay = Duration::from_millis(delay_ms);
                let fire = move || nats.publish(&relay, "timer").expect("a publish");
                let id = if repeat { set_interval(delay, fire) } else { set_timer(delay, fire) };
                Ok(json!(u64::from(id?)))
            }
            Operation::CancelTimer { id } => {
                cancel_timer(TimerId::from(id));
                Ok(Value::Null)
            }
            Operation::Seen { sid } => Ok(self.record.borrow().seen(sid)),
            Operation::Events => Ok(self.record.borrow().events()),
            Operation::Allocate { bytes } => self.allocate(bytes).map(done),
            Operation::Environment => {
                Ok(json!(std::env::vars().collect::<Vec<(String, String)>>()))
            }
            Operation::ReadFile { path } => {
                Ok(json!(std::fs::read_to_string(path).map_err(other)?))
            }
            Operation::Dial { address } => {
                TcpStream::connect(address).map_err(other).map(drop).map(done)
            }
        }
    }

    fn allocate(&mut self, bytes: usize) -> Result<(), Error> {
        let mut memory = Vec::new();
        memory.try_reserve_exact(bytes).map_err(other)?;
        memory.resize(bytes, 1);
        self.memory.push(memory);
        Ok(())
    }
}

fn send_request(nats: NatsClient, relay: String, request: &Request) -> Result<Value, Error> {
    let publish = move |report: Value| nats.publish(&relay, report.to_string()).expect("a publish");
    let id = if request.max_replies == 1 {
        nats.request_with(&request.subject, &request.payload, request.options(), move |answer| {
            publish(match answer {
                Ok(message) => json!({ "message": message_json(&message) }),
                Err(error) => json!({ "error": error_json(&error) }),
            });
        })
    } else {
        nats.request_many(&request.subject, &request.payload, request.options(), move |answer| {
            publish(match answer {
                Answer::Message(message) => json!({ "message": message_json(&message) }),
                Answer::End => json!({ "end": true }),
                Answer::Failed(error) => json!({ "error": error_json(&error) }),
            });
        })
    };
    Ok(json!(u64::from(id?)))
}

fn wait_for_answers(nats: NatsClient, request: &Request) -> Result<Value, Error> {
    let answers = if request.max_replies == 1 {
        vec![nats.request_and_wait(&request.subject, &request.payload, request.options())?]
    } else {
        nats.request_many_and_wait(&request.subject, &request.payload, request.options())?
    };
    Ok(answers.iter().map(message_json).collect())
}

fn other(error: impl std::fmt::Display) -> Error {
    Error::Other(error.to_string())
}
