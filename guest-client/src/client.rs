//! A connection as a plugin sees it. The connection itself is the host's: a
//! client is the number by which the host knows it.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use crate::bindings::simple_nats::client::{client, publisher, requester, subscriber};
use crate::callbacks::{self, Subscription};
use crate::dispatch;
use crate::options::millis;
use crate::outbox;
use crate::{
    Answer, ClientBuilder, ConnectionStatus, Error, Event, Message, Outcome, PendingCounts,
    PublishOptions, RequestId, RequestOptions, ServerInfo, Sid, Statistics,
};

/// A connection to NATS. Copies name the same connection, and dropping one
/// closes nothing; [`close`](Self::close) and [`drain`](Self::drain) do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct NatsClient {
    id: u32,
}

/// Making one, and asking about it.
impl NatsClient {
    /// Connects to a server, or, with `None`, takes the host's own connection.
    ///
    /// ```no_run
    /// # use simple_nats_guest::NatsClient;
    /// let nats = NatsClient::connect(None)?;
    /// println!("{}", nats.server_info()?.version);
    /// # Ok::<(), simple_nats_guest::Error>(())
    /// ```
    pub fn connect<'a>(server: impl Into<Option<&'a str>>) -> Result<Self, Error> {
        Self::builder().connect(server)
    }

    /// Connects with a name, an inbox prefix, or without echo.
    ///
    /// ```no_run
    /// # use simple_nats_guest::NatsClient;
    /// let nats = NatsClient::builder().name("my_consumer").connect("localhost:4222")?;
    /// # Ok::<(), simple_nats_guest::Error>(())
    /// ```
    pub fn builder() -> ClientBuilder {
        ClientBuilder::default()
    }

    /// The connection's name, chosen or generated.
    pub fn name(&self) -> Result<String, Error> {
        Ok(client::name(self.id)?)
    }

    /// What the server last told of itself.
    pub fn server_info(&self) -> Result<ServerInfo, Error> {
        Ok(client::server_info(self.id)?.into())
    }

    /// How the connection stands.
    pub fn status(&self) -> Result<ConnectionStatus, Error> {
        Ok(client::connection_status(self.id)?.into())
    }

    /// The connection's counters.
    pub fn statistics(&self) -> Result<Statistics, Error> {
        Ok(client::statistics(self.id)?.into())
    }

    /// Calls back whenever something happens to the connection, in place of any
    /// callback set before.
    pub fn on_event(&self, callback: impl FnMut(Event) + 'static) {
        let callback = Rc::new(RefCell::new(callback));
        drop(callbacks::with(|callbacks| callbacks.events.insert(self.id.into(), callback)));
    }

    pub(crate) fn from_id(id: u32) -> Self {
        Self { id }
    }
}

/// Publishing.
impl NatsClient {
    /// Hands a message to the connection, which sends it in order. That it
    /// reached the server, [`flush`](Self::flush) proves.
    pub fn publish(&self, subject: &str, payload: impl AsRef<[u8]>) -> Result<(), Error> {
        let payload = payload.as_ref();
        if outbox::publish(self.id, subject, payload) {
            return Ok(());
        }
        self.call_publish(subject, payload)
    }

    pub(crate) fn call_publish(&self, subject: &str, payload: &[u8]) -> Result<(), Error> {
        if publisher::try_publish(self.id, subject, payload) {
            return Ok(());
        }
        Ok(publisher::publish(self.id, subject, payload)?)
    }

    /// The same with a subject for answers, or headers.
    ///
    /// ```no_run
    /// # use simple_nats_guest::{NatsClient, PublishOptions};
    /// # let nats = NatsClient::connect(None)?;
    /// let options = PublishOptions::new().reply_to("my.answers").header("Trace", "7");
    /// nats.publish_with("my.topic", "hello", &options)?;
    /// # Ok::<(), simple_nats_guest::Error>(())
    /// ```
    pub fn publish_with(
        &self,
        subject: &str,
        payload: impl AsRef<[u8]>,
        options: &PublishOptions,
    ) -> Result<(), Error> {
        let reply_to = options.reply_to.as_deref();
        let headers = options.headers.fields();
        Ok(publisher::publish_with(self.id, subject, reply_to, headers, payload.as_ref())?)
    }

    /// Waits until the server has everything published before.
    pub fn flush(&self, timeout: Duration) -> Result<(), Error> {
        outbox::settle();
        Ok(client::flush(self.id, millis(timeout))?)
    }

    /// The time that the server takes to answer a ping.
    pub fn rtt(&self, timeout: Duration) -> Result<Duration, Error> {
        outbox::settle();
        Ok(Duration::from_nanos(client::rtt(self.id, millis(timeout))?))
    }
}

/// Subscribing.
impl NatsClient {
    /// Calls back for each message on a subject or a pattern (`a.*.c`, `a.>`).
    /// Of the members of a queue group, one gets each message.
    ///
    /// The callback may answer with a `Result`; an `Err` is logged, and reported
    /// to whoever waits for an answer. It may publish, request, subscribe, and
    /// end any subscription, its own too.
    ///
    /// ```no_run
    /// # use simple_nats_guest::{Message, NatsClient};
    /// # let nats = NatsClient::connect(None)?;
    /// let mut count = 0;
    /// nats.subscribe("my.topic", Some("my_group"), move |message: Message| {
    ///     count += 1;
    ///     println!("message {count}: {} bytes", message.payload().len());
    /// })?;
    /// # Ok::<(), simple_nats_guest::Error>(())
    /// ```
    pub fn subscribe<O: Outcome>(
        &self,
        subject: &str,
        queue_group: Option<&str>,
        mut callback: impl FnMut(Message) -> O + 'static,
    ) -> Result<Sid, Error> {
        outbox::settle();
        let sid = subscriber::subscribe(self.id, subject, queue_group)?;
        let callback = Rc::new(RefCell::new(move |message| callback(message).into_result()));
        let subscription = Subscription { client: self.id, callback };
        callbacks::with(|callbacks| callbacks.subscriptions.insert(sid, subscription));
        Ok(Sid(sid))
    }

    /// Ends a subscription: at once, so that no callback for it begins any more,
    /// or after so many messages, counted from its beginning.
    pub fn unsubscribe(&self, sid: Sid, max_messages: Option<u64>) -> Result<(), Error> {
        outbox::settle();
        subscriber::unsubscribe(sid.0, max_messages)?;
        if matches!(max_messages, None | Some(0)) {
            drop(callbacks::with(|callbacks| callbacks.subscriptions.remove(&sid.0)));
        }
        Ok(())
    }

    /// Ends a subscription at the server; what has come already is still handled.
    pub fn drain_subscription(&self, sid: Sid) -> Result<(), Error> {
        outbox::settle();
        Ok(subscriber::drain_subscription(sid.0)?)
    }

    /// What waits for a subscription's callback, and what has gone through it.
    pub fn pending(&self, sid: Sid) -> Result<PendingCounts, Error> {
        Ok(subscriber::pending(sid.0)?.into())
    }
}

/// Requesting.
impl NatsClient {
    /// Sends a request and calls back exactly once: with its answer, or with why
    /// there is none.
    ///
    /// ```no_run
    /// # use simple_nats_guest::NatsClient;
    /// # let nats = NatsClient::connect(None)?;
    /// nats.request("my.service", "question", |answer| match answer {
    ///     Ok(message) => println!("{} bytes", message.payload().len()),
    ///     Err(error) => println!("no answer: {error}"),
    /// })?;
    /// # Ok::<(), simple_nats_guest::Error>(())
    /// ```
    pub fn request(
        &self,
        subject: &str,
        payload: impl AsRef<[u8]>,
        callback: impl FnOnce(Result<Message, Error>) + 'static,
    ) -> Result<RequestId, Error> {
        self.request_with(subject, payload, RequestOptions::new(), callback)
    }

    /// The same with a time-out or headers.
    pub fn request_with(
        &self,
        subject: &str,
        payload: impl AsRef<[u8]>,
        options: impl Into<RequestOptions>,
        callback: impl FnOnce(Result<Message, Error>) + 'static,
    ) -> Result<RequestId, Error> {
        outbox::settle();
        let id = requester::request(self.id, subject, payload.as_ref(), &options.into().one())?;
        let mut callback = Some(callback);
        let on_reply = Rc::new(RefCell::new(move |reply: callbacks::Reply, _last: bool| {
            if let Some(callback) = callback.take() {
                callback(reply.and_then(|message| message.ok_or(Error::Timeout)));
            }
        }));
        callbacks::with(|callbacks| callbacks.requests.insert(id, on_reply));
        Ok(RequestId(id))
    }

    /// Sends a request to many and calls back for each answer, and exactly once
    /// for the end: [`Answer::End`] or [`Answer::Failed`]. It ends as the options
    /// say, or at a message with a status and no payload.
    pub fn request_many(
        &self,
        subject: &str,
        payload: impl AsRef<[u8]>,
        options: impl Into<RequestOptions>,
        mut callback: impl FnMut(Answer) + 'static,
    ) -> Result<RequestId, Error> {
        outbox::settle();
        let id = requester::request(self.id, subject, payload.as_ref(), &options.into().many())?;
        let on_reply = Rc::new(RefCell::new(move |reply, last| match reply {
            Ok(Some(message)) => {
                callback(Answer::Message(message));
                if last {
                    callback(Answer::End);
                }
            }
            Ok(None) => callback(Answer::End),
            Err(error) => callback(Answer::Failed(error)),
        }));
        callbacks::with(|callbacks| callbacks.requests.insert(id, on_reply));
        Ok(RequestId(id))
    }

    /// Ends a request: no callback for it begins any more.
    pub fn cancel_request(&self, id: RequestId) {
        requester::cancel_request(id.0);
        drop(callbacks::with(|callbacks| callbacks.requests.remove(&id.0)));
    }

    /// Sends a request and waits for the answer. Only this instance waits.
    ///
    /// ```no_run
    /// # use {simple_nats_guest::NatsClient, std::time::Duration};
    /// # let nats = NatsClient::connect(None)?;
    /// let answer = nats.request_and_wait("my.service", "question", Duration::from_secs(1))?;
    /// # Ok::<(), simple_nats_guest::Error>(())
    /// ```
    pub fn request_and_wait(
        &self,
        subject: &str,
        payload: impl AsRef<[u8]>,
        options: impl Into<RequestOptions>,
    ) -> Result<Message, Error> {
        let options = options.into().one();
        outbox::settle();
        let answers = requester::request_and_wait(self.id, subject, payload.as_ref(), &options)?;
        answers.into_iter().next().map(Message::from).ok_or(Error::Timeout)
    }

    /// Sends a request to many and waits until it ends; the answers may be none.
    pub fn request_many_and_wait(
        &self,
        subject: &str,
        payload: impl AsRef<[u8]>,
        options: impl Into<RequestOptions>,
    ) -> Result<Vec<Message>, Error> {
        let options = options.into().many();
        outbox::settle();
        let answers = requester::request_and_wait(self.id, subject, payload.as_ref(), &options)?;
        Ok(answers.into_iter().map(Message::from).collect())
    }

    /// A subject that no one else has: to subscribe to, and to give as reply-to.
    pub fn new_inbox(&self) -> Result<String, Error> {
        Ok(client::new_inbox(self.id)?)
    }
}

/// Running a program's callbacks, and ending.
impl NatsClient {
    /// Runs callbacks, of all connections, until this connection is closed or
    /// the host stops: for a `main` that has set everything up.
    pub fn run(&self) -> Result<(), Error> {
        loop {
            while dispatch::take(usize::MAX)?.is_some() {}
            match self.status() {
                Ok(ConnectionStatus::Closed) | Err(Error::UnknownClient(_)) => return Ok(()),
                outcome => outcome?,
            };
            match dispatch::wait_for_delivery(None) {
                Err(Error::Cancelled) => return Ok(()),
                outcome => outcome?,
            };
        }
    }

    /// Does what [`wait`](crate::wait) does.
    pub fn wait(&self, count: usize, timeout: impl Into<Option<Duration>>) -> Result<usize, Error> {
        dispatch::wait(count, timeout)
    }

    /// Starts a clean end: what has come is still handled, what is published is
    /// sent. [`Event::Drained`] tells the end of it.
    pub fn drain(&self) -> Result<(), Error> {
        outbox::settle();
        Ok(client::drain(self.id)?)
    }

    /// Ends the connection now. What has come and was not handled is dropped.
    pub fn close(&self) {
        outbox::settle();
        client::close(self.id);
        outbox::forget(self.id);
        drop(callbacks::with(|callbacks| callbacks.remove_subscriptions(self.id)));
    }
}
