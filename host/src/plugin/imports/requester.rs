//! `simple-nats:client/requester`.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::mpsc;

use super::headers;
use crate::connection::{Answer, Arrival, Client, Departure, Receiver, Reception};
use crate::plugin::dispatch::mailbox::Mailbox;
use crate::plugin::dispatch::requests::UnderWay;
use crate::plugin::loading::bindings::requester::{Host, RequestOptions};
use crate::plugin::loading::bindings::types::{Error, Message as GuestMessage};
use crate::plugin::state::{Shared, State};
use crate::protocol::{self, EndReason, Headers, Message, RequestId, Subject};

/// Answers to one request that may wait for a guest to be resumed.
const MAX_WAITING_ANSWERS: usize = 65_536;

/// How long a request waits that names no time.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(5);

impl Host for State {
    async fn request(
        &mut self,
        client: u32,
        subject: String,
        payload: Vec<u8>,
        options: RequestOptions,
    ) -> Result<u64, Error> {
        let connection = self.known(client)?.client.clone();
        self.ids.request += 1;
        let id = self.ids.request;
        let (plugin, mailbox) = (Arc::clone(&self.plugin), Arc::clone(&self.mailbox));
        let receiver = Arc::new(ToMailbox { client, plugin, mailbox });
        let request = self.prepare(client, &subject, &payload, options)?;
        self.mailbox.expect_reply();
        let bytes = request.size();
        match request.send(&connection, Departure::Soon, receiver, id).await {
            Ok(request) => {
                self.requests.insert(id, UnderWay { client, id: request, bytes });
                Ok(id)
            }
            Err(error) => {
                self.mailbox.forget_request(id);
                Err(error)
            }
        }
    }

    fn cancel_request(&mut self, id: u64) {
        let Some(request) = self.requests.remove(id) else { return };
        if let Some(client) = self.client(request.client) {
            client.cancel_request(request.id);
        }
        self.mailbox.forget_request(id);
    }

    async fn request_and_wait(
        &mut self,
        client: u32,
        subject: String,
        payload: Vec<u8>,
        options: RequestOptions,
    ) -> Result<Vec<GuestMessage>, Error> {
        let asking = self.asking(client, subject, payload, options)?;
        asking.ask(Departure::AtOnce).await
    }
}

/// A request that is allowed and can be sent, to be waited for.
pub(in crate::plugin) struct Asking {
    client: u32,
    plugin: Arc<Shared>,
    connection: Client,
    subject: String,
    headers: Headers,
    payload: Vec<u8>,
    options: protocol::RequestOptions,
}

impl Asking {
    /// Sends the request and waits until it has ended.
    pub(in crate::plugin) async fn ask(
        self,
        departure: Departure,
    ) -> Result<Vec<GuestMessage>, Error> {
        let (answers, mut arrived) = mpsc::channel(MAX_WAITING_ANSWERS);
        let receiver =
            Arc::new(ToWaiter { answers, plugin: self.plugin, bytes: AtomicUsize::new(0) });
        let request = Request {
            subject: Subject::new(&self.subject)?,
            headers: self.headers,
            payload: &self.payload,
            options: self.options,
        };
        let request = request.send(&self.connection, departure, receiver, 0).await?;
        let _guard = CancelOnDrop { client: &self.connection, request };
        let mut messages = Vec::new();
        while let Some((answer, last)) = arrived.recv().await {
            messages.extend(super::answer_for_guest(self.client, &answer)?);
            if last {
                break;
            }
        }
        Ok(messages)
    }
}

/// A request that is checked and may be sent.
struct Request<'a> {
    subject: Subject<'a>,
    headers: Headers,
    payload: &'a [u8],
    options: protocol::RequestOptions,
}

impl State {
    /// Checks a request, whichever way it comes.
    pub(in crate::plugin) fn asking(
        &self,
        client: u32,
        subject: String,
        payload: Vec<u8>,
        options: RequestOptions,
    ) -> Result<Asking, Error> {
        let connection = self.known(client)?.client.clone();
        let Request { headers, options, .. } = self.prepare(client, &subject, &payload, options)?;
        let plugin = Arc::clone(&self.plugin);
        Ok(Asking { client, plugin, connection, subject, headers, payload, options })
    }

    fn prepare<'a>(
        &self,
        client: u32,
        subject: &'a str,
        payload: &'a [u8],
        options: RequestOptions,
    ) -> Result<Request<'a>, Error> {
        let headers = headers::write(&self.plugin, &options.headers)?;
        let size = headers.as_bytes().len().saturating_add(payload.len());
        let limits = self.settings().limits;
        let (count, bytes) = (self.requests.len(), self.requests.bytes());
        if count >= limits.max_requests {
            return Err(self.plugin.exceeded("requests", count, count + 1, limits.max_requests));
        }
        let (desired, limit) = (bytes.saturating_add(size), limits.max_request_bytes);
        if desired > limit {
            return Err(self.plugin.exceeded("request-bytes", bytes, desired, limit));
        }
        let subject =
            self.check(client, subject, size, |policy, subject| policy.may_request(subject))?;
        let duration = |ms: u32| Duration::from_millis(ms.into());
        let options = protocol::RequestOptions {
            timeout: options.timeout_ms.map_or(DEFAULT_TIMEOUT, duration),
            max_replies: options.max_replies,
            stall: options.stall_ms.map(duration),
        };
        Ok(Request { subject, headers, payload, options })
    }
}

impl Request<'_> {
    /// Headers and payload, in bytes.
    fn size(&self) -> usize {
        self.headers.as_bytes().len().saturating_add(self.payload.len())
    }

    async fn send(
        &self,
        client: &Client,
        departure: Departure,
        receiver: Arc<dyn Receiver>,
        token: u64,
    ) -> Result<RequestId, Error> {
        let Self { subject, headers, payload, options } = self;
        super::when_room(client, || {
            client.publish_together(|together| {
                together.leave(departure);
                let (headers, receiver) = (headers.as_bytes(), Arc::clone(&receiver));
                together.request(*subject, headers, payload, options, receiver, token)
            })
        })
        .await
    }
}

/// Answers that go to `handler.on-reply`, by way of the mailbox.
struct ToMailbox {
    client: u32,
    plugin: Arc<Shared>,
    mailbox: Arc<Mailbox>,
}

impl Receiver for ToMailbox {
    fn reply(&self, id: u64, answer: Answer, last: bool) {
        let limit = self.plugin.settings.limits.max_answer_bytes;
        let pushed = self.mailbox.push_reply(self.client, id, answer, last, limit);
        if let Err((current, desired)) = pushed {
            self.plugin.limit_reached("answer-bytes", current, desired, limit);
        }
    }

    fn messages(&self, _: &mut dyn Iterator<Item = Arrival>) -> Reception {
        Reception::default()
    }

    fn subscription_ended(&self, _: u64, _: EndReason) {}
}

/// Answers that a suspended guest waits for.
struct ToWaiter {
    answers: mpsc::Sender<(Answer, bool)>,
    plugin: Arc<Shared>,
    /// Of all answers so far: they are handed over together.
    bytes: AtomicUsize,
}

impl Receiver for ToWaiter {
    fn reply(&self, _: u64, answer: Answer, last: bool) {
        let size = answer.as_ref().map_or(0, |one| one.as_ref().map_or(0, Message::size));
        let limit = self.plugin.settings.limits.max_answer_bytes;
        let current = self.bytes.load(Ordering::Relaxed);
        let desired = current.saturating_add(size);
        // The last one is what the waiter waits for.
        if desired > limit && !last {
            self.plugin.limit_reached("answer-bytes", current, desired, limit);
            return;
        }
        self.bytes.store(desired, Ordering::Relaxed);
        // The waiter may be gone, and its guard cancels the request then; or it is
        // slower than the answers come, and loses the newest like a full mailbox.
        let _ = self.answers.try_send((answer, last));
    }

    fn messages(&self, _: &mut dyn Iterator<Item = Arrival>) -> Reception {
        Reception::default()
    }

    fn subscription_ended(&self, _: u64, _: EndReason) {}
}

/// A guest that is given up while it waits leaves no request behind.
struct CancelOnDrop<'a> {
    client: &'a Client,
    request: RequestId,
}

impl Drop for CancelOnDrop<'_> {
    fn drop(&mut self) {
        self.client.cancel_request(self.request);
    }
}
