//! A connection as a user of the library has it, without plugins.

#![allow(dead_code, reason = "each test uses a part of it")]

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use simple_nats::connection::{
    self, Answer, Client, ConnectionEvent, ConnectionOptions, Listener, Receiver, Reception,
    parse_list,
};
use simple_nats::protocol::{
    EndReason, Message, RequestError, RequestOptions, SessionError, Subject, SubjectPattern,
};
use test_support::within;
use tokio::sync::{mpsc, watch};

/// A connection and all that has happened to it.
pub(crate) struct Native {
    pub(crate) client: Client,
    pub(crate) log: Arc<Log>,
}

impl Native {
    /// Connects to `url` with a name, and what `change` makes of the options.
    pub(crate) async fn connect(
        url: &str,
        name: &str,
        change: impl FnOnce(&mut ConnectionOptions),
    ) -> Result<Self> {
        let log = Arc::<Log>::default();
        let mut options = ConnectionOptions::new(parse_list(url)?, name);
        options.reconnect_wait_max = Duration::from_millis(50);
        options.listener = Some(log.clone());
        change(&mut options);
        let client = Client::connect(options).await.with_context(|| format!("{name} to {url}"))?;
        Ok(Self { client, log })
    }

    /// Publishes, waiting for room if there is none.
    pub(crate) async fn publish(&self, subject: &str, payload: &[u8]) -> Result<()> {
        let subject = Subject::new(subject)?;
        loop {
            match self.client.publish(subject, None, b"", payload) {
                Err(SessionError::BufferFull { .. }) => {
                    if !self.client.room().await {
                        // There is no server; the event of the next one may be past.
                        tokio::time::sleep(Duration::from_millis(10)).await;
                    }
                }
                outcome => return Ok(outcome?),
            }
        }
    }

    /// Subscribes; what arrives can be taken from the answer.
    pub(crate) fn subscribe(&self, subject: &str) -> Result<Arrivals> {
        let (receiver, arrivals) = arrivals();
        self.client.subscribe(SubjectPattern::new(subject)?, None, receiver, 0)?;
        Ok(arrivals)
    }

    /// Asks and waits for one answer.
    pub(crate) async fn request(
        &self,
        subject: &str,
        payload: &[u8],
        timeout: Duration,
    ) -> Result<Result<Message, RequestError>> {
        let (receiver, mut arrivals) = arrivals();
        let options = RequestOptions { timeout, ..RequestOptions::default() };
        self.client.request(Subject::new(subject)?, b"", payload, &options, receiver, 0)?;
        match arrivals.next().await? {
            Arrival::Reply(_, answer) => Ok(answer.map(|message| message.unwrap_or_else(empty))),
            other => anyhow::bail!("{other:?} in place of an answer"),
        }
    }

    /// A round trip to the server.
    pub(crate) async fn flush(&self) -> Result<()> {
        Ok(self.client.flush(Duration::from_secs(10)).await?)
    }
}

fn empty() -> Message {
    Message::new("", None, b"", b"")
}

/// Keeps all events of a connection.
#[derive(Default)]
pub(crate) struct Log {
    events: watch::Sender<Vec<ConnectionEvent>>,
}

impl Listener for Log {
    fn event(&self, event: &ConnectionEvent) {
        self.events.send_modify(|events| events.push(event.clone()));
    }
}

impl Log {
    /// How many events of a kind there have been.
    pub(crate) fn count(&self, is_one: impl Fn(&ConnectionEvent) -> bool) -> usize {
        self.events.borrow().iter().filter(|event| is_one(event)).count()
    }

    /// Waits until `find` picks something out of the events, past ones included.
    pub(crate) async fn wait_for<T>(
        &self,
        what: &str,
        find: impl Fn(&[ConnectionEvent]) -> Option<T>,
    ) -> Result<T> {
        let mut events = self.events.subscribe();
        let mut found = None;
        let waited = within(what, async {
            let found = &mut found;
            events
                .wait_for(|events| {
                    *found = find(events);
                    found.is_some()
                })
                .await
                .is_ok()
        });
        waited.await.with_context(|| format!("events so far: {:?}", self.events.borrow()))?;
        found.context("the connection is gone")
    }

    /// Waits until the connection has broken so many times; gives the last reason.
    pub(crate) async fn disconnected(&self, times: usize) -> Result<String> {
        let reasons = |events: &[ConnectionEvent]| {
            let mut reasons = events.iter().filter_map(|event| match event {
                ConnectionEvent::Disconnected(reason) => Some(reason.clone()),
                _ => None,
            });
            reasons.nth(times - 1)
        };
        self.wait_for(&format!("disconnect number {times}"), reasons).await
    }

    /// Waits until the connection has come back so many times.
    pub(crate) async fn reconnected(&self, times: usize) -> Result<()> {
        let enough = |events: &[ConnectionEvent]| {
            let back = |event: &&_| matches!(event, ConnectionEvent::Reconnected(_));
            (events.iter().filter(back).count() >= times).then_some(())
        };
        self.wait_for(&format!("reconnect number {times}"), enough).await
    }
}

/// What came for a subscription or a request.
#[derive(Debug)]
pub(crate) enum Arrival {
    Message(Message),
    Ended(EndReason),
    Reply(u64, Answer),
}

/// A receiver, and what it has received.
pub(crate) fn arrivals() -> (Arc<dyn Receiver>, Arrivals) {
    let (sender, arrived) = mpsc::unbounded_channel();
    (Arc::new(ToChannel(sender)), Arrivals(arrived))
}

pub(crate) struct Arrivals(mpsc::UnboundedReceiver<Arrival>);

impl Arrivals {
    /// Waits for the next one.
    pub(crate) async fn next(&mut self) -> Result<Arrival> {
        if let Some(arrival) = self.take() {
            return Ok(arrival);
        }
        within("an arrival", self.0.recv()).await?.context("nobody sends any more")
    }

    /// Waits for a message; gives its payload as text.
    pub(crate) async fn text(&mut self) -> Result<String> {
        match self.next().await? {
            Arrival::Message(message) => Ok(String::from_utf8(message.payload().to_vec())?),
            other => anyhow::bail!("{other:?} in place of a message"),
        }
    }

    /// What has arrived and was not taken yet.
    pub(crate) fn take(&mut self) -> Option<Arrival> {
        self.0.try_recv().ok()
    }
}

struct ToChannel(mpsc::UnboundedSender<Arrival>);

impl Receiver for ToChannel {
    fn messages(&self, arrivals: &mut dyn Iterator<Item = connection::Arrival>) -> Reception {
        for arrival in arrivals {
            let _ = self.0.send(Arrival::Message(arrival.message));
        }
        Reception::default()
    }

    fn subscription_ended(&self, _: u64, reason: EndReason) {
        let _ = self.0.send(Arrival::Ended(reason));
    }

    fn reply(&self, token: u64, answer: Answer, _: bool) {
        let _ = self.0.send(Arrival::Reply(token, answer));
    }
}
