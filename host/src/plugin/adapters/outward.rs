//! What components do through interfaces that know one connection and no ids: the
//! same calls that our own imports make.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::budget::Budget;
use crate::plugin::dispatch::mailbox::Incoming;
use crate::plugin::limits::Limits;
use crate::plugin::loading::bindings::client::{ConnectOptions, Host as _};
use crate::plugin::loading::bindings::requester::{Host as _, RequestOptions};
use crate::plugin::loading::bindings::types::{Error, Header, Message};
use crate::plugin::reporting::reporter::Reporter;
use crate::plugin::state::State;
use crate::protocol::{Headers, Message as Delivered, QueueGroup, SubjectPattern};

/// What an instance has of interfaces of others.
#[derive(Debug)]
pub(in crate::plugin) struct Context {
    /// The plugin's connection, once it was needed.
    client: Option<u32>,
    /// What is kept for it.
    pub(super) budget: Arc<Budget>,
    /// Requests that it waits for at once.
    pub(super) requests: Arc<Budget>,
    /// Messages that are being handled at once, if somebody waits for an answer.
    in_hand: FxHashMap<u64, (u32, Delivered)>,
    last_hand: u64,
}

impl Context {
    pub(in crate::plugin) fn new(limits: &Limits, reporter: &Arc<Reporter>) -> Self {
        let budget = |name, limit| Budget::new(name, limit, Arc::clone(reporter));
        Self {
            client: None,
            budget: budget("kept-bytes", limits.max_memory_bytes),
            requests: budget("requests", limits.max_requests),
            in_hand: FxHashMap::default(),
            last_hand: 0,
        }
    }
}

impl State {
    /// The host's connection for this plugin.
    pub(super) async fn own_connection(&mut self) -> Result<u32, Error> {
        if let Some(client) = self.foreign.client {
            return Ok(client);
        }
        let options = ConnectOptions { client_name: None, inbox_prefix: None, no_echo: false };
        let client = self.connect(None, options).await?;
        self.foreign.client = Some(client);
        Ok(client)
    }

    /// That connection, for callers that can't wait; it is there once the instance
    /// has started.
    pub(super) fn subscribed_connection(&self) -> Result<u32, Error> {
        self.foreign.client.ok_or(Error::Closed)
    }

    /// A message is being handled, beside others; answers under which number.
    pub(super) fn take_in_hand(&mut self, incoming: Incoming) -> u64 {
        self.foreign.last_hand += 1;
        let hand = self.foreign.last_hand;
        if let Some(reply_to) = incoming.message.reply_to() {
            self.awaited.remember(incoming.client, reply_to);
            self.foreign.in_hand.insert(hand, (incoming.client, incoming.message));
        }
        hand
    }

    /// It was handled, with an error or without.
    pub(super) fn handled(&mut self, hand: u64, error: Option<&str>) {
        let message = self.foreign.in_hand.remove(&hand);
        if let Some(reason) = error {
            self.in_hand = message;
            self.handler_failed(reason);
        }
    }

    /// Something was sent to this subject: the oldest message that wanted its
    /// answer there has it, and is not told of a failure any more.
    pub(super) fn answered(&mut self, subject: &str) {
        let wants = |message: &Delivered| message.reply_to() == Some(subject.as_bytes());
        let in_hand = &mut self.foreign.in_hand;
        let hand = in_hand.iter().filter(|(_, (_, message))| wants(message));
        if let Some(hand) = hand.map(|(&hand, _)| hand).min() {
            in_hand.remove(&hand);
        }
    }

    /// The instance has failed with all that it had in hand.
    pub(in crate::plugin) fn answer_error_to_all(&mut self, reason: &str) {
        for (client, message) in std::mem::take(&mut self.foreign.in_hand).into_values() {
            self.answer_error_to(client, &message, reason);
        }
    }

    /// Subscribes to what the operator named. Naming it has allowed it.
    pub(in crate::plugin) async fn subscribe_as_told(&mut self) -> Result<(), Error> {
        let client = self.own_connection().await?;
        for wanted in self.plugin.settings.subscriptions.clone() {
            let pattern = SubjectPattern::new(&wanted.subject)?;
            let queue = wanted.queue_group.as_deref().map(QueueGroup::new).transpose();
            let queue = queue.map_err(|error| Error::NameInvalid(error.to_string()))?;
            self.join(client, pattern, queue, None)?;
        }
        Ok(())
    }

    /// Publishes on the plugin's connection.
    pub(super) async fn send(
        &mut self,
        subject: &str,
        reply_to: Option<&str>,
        headers: &Headers,
        payload: &[u8],
    ) -> Result<(), Error> {
        let client = self.own_connection().await?;
        self.outgoing(client, subject, reply_to, headers, payload)?.send().await
    }

    /// Sends a request on the plugin's connection, and waits for its answers.
    pub(super) async fn ask(
        &mut self,
        subject: String,
        headers: Vec<Header>,
        payload: Vec<u8>,
        timeout_ms: Option<u32>,
        max_replies: u32,
    ) -> Result<Vec<Message>, Error> {
        let client = self.own_connection().await?;
        let options = RequestOptions { timeout_ms, headers, max_replies, stall_ms: None };
        self.request_and_wait(client, subject, payload, options).await
    }
}

/// An error for interfaces that have nothing but a text.
pub(in crate::plugin) fn text(error: Error) -> String {
    match error {
        Error::SubjectInvalid(text)
        | Error::HeaderInvalid(text)
        | Error::NameInvalid(text)
        | Error::ConnectFailed(text)
        | Error::Other(text) => text,
        Error::PermissionDenied(text) => format!("permission denied: {text}"),
        Error::QuotaExceeded(text) => format!("quota exceeded: {text}"),
        Error::PayloadTooLarge(limit) => format!("payload too large: the limit is {limit} bytes"),
        Error::BufferFull => "too much waits to be sent already".to_owned(),
        Error::Timeout => "nothing came in time".to_owned(),
        Error::NoResponders => "nobody listens on the subject".to_owned(),
        Error::Cancelled => "the host is stopping".to_owned(),
        Error::ConnectionLost => "the connection was lost".to_owned(),
        Error::Closed | Error::UnknownClient(_) | Error::UnknownSubscription(_) => {
            "the connection is closed".to_owned()
        }
    }
}

/// The error that a service put into the headers of its answer, for interfaces
/// without headers: there it would look like an empty answer.
pub(super) fn service_error(answer: &Message) -> Option<String> {
    let field = answer.headers.iter().find(|field| field.name == "Nats-Service-Error")?;
    Some(String::from_utf8_lossy(&field.value).into_owned())
}
