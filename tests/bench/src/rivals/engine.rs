//! The host's own engine as a native library: its connection, and no plugin behind it.

use std::{
    mem,
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, Result};
use simple_nats::{
    connection::{Answer, Client, ConnectionOptions, Receiver, Reception},
    protocol::{EndReason, Message, RequestOptions, SessionError, Subject, SubjectPattern},
};
use tokio::sync::Notify;

use super::{ECHO, HEADER, HEADERS, INPUT, OUTPUT, PUBLISH, REQUEST, SERVICE, SUBJECTS};

/// No answer takes this long unless something is broken.
const PATIENCE: Duration = Duration::from_secs(10);

/// What arrives and asks for something.
enum Arrival {
    /// To be answered with this text.
    Count {
        reply_to: Message,
        text: String,
    },
    Message {
        subject: &'static str,
        message: Message,
    },
    Answer,
}

/// Counts where messages arrive, and keeps what takes longer.
#[derive(Default)]
struct Inbox {
    /// By subject.
    tallies: [Tally; SUBJECTS.len()],
    arrivals: Mutex<Vec<Arrival>>,
    filled: Notify,
}

/// Counted by the connection's task alone.
#[derive(Default)]
struct Tally {
    count: AtomicU64,
    bytes: AtomicU64,
}

impl Tally {
    fn add(&self, bytes: usize) {
        for (sum, more) in [(&self.count, 1), (&self.bytes, bytes as u64)] {
            sum.store(sum.load(Ordering::Relaxed) + more, Ordering::Relaxed);
        }
    }

    fn text(&self) -> String {
        let [count, bytes] = [&self.count, &self.bytes].map(|sum| sum.load(Ordering::Relaxed));
        format!("{count} {bytes}")
    }
}

impl Inbox {
    fn lock(&self) -> MutexGuard<'_, Vec<Arrival>> {
        self.arrivals.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep(&self, arrival: Arrival) {
        let mut arrivals = self.lock();
        arrivals.push(arrival);
        if arrivals.len() == 1 {
            drop(arrivals);
            self.filled.notify_one();
        }
    }

    /// Swaps what has arrived for an empty list.
    async fn take(&self, arrivals: &mut Vec<Arrival>) {
        self.filled.notified().await;
        mem::swap(arrivals, &mut self.lock());
    }
}

impl Receiver for Inbox {
    fn message(&self, token: u64, message: Message, _last: bool) -> Reception {
        let subject = SUBJECTS.get(token as usize).copied().unwrap_or_default();
        let bytes = match subject {
            INPUT => message.payload().len(),
            HEADERS => header_bytes(&message),
            _ => {
                self.keep(Arrival::Message { subject, message });
                return Reception::Taken;
            }
        };
        let Some(tally) = self.tallies.get(token as usize) else { return Reception::Dropped };
        tally.add(bytes);
        if message.reply_to().is_some() {
            self.keep(Arrival::Count { reply_to: message, text: tally.text() });
        }
        Reception::Taken
    }

    fn subscription_ended(&self, _token: u64, _reason: EndReason) {}

    fn reply(&self, _token: u64, answer: Answer, _last: bool) {
        // Without its answer the benchmark fails.
        if let Ok(Some(_)) = answer {
            self.keep(Arrival::Answer);
        }
    }
}

fn header_bytes(message: &Message) -> usize {
    let name = HEADER.as_bytes();
    message.headers().fields().find(|(field, _)| *field == name).map_or(0, |(_, value)| value.len())
}

struct Engine {
    client: Client,
    inbox: Arc<Inbox>,
    /// They come one at a time.
    order: Option<Order>,
}

/// An order to request, being carried out.
struct Order {
    message: Message,
    payload: Vec<u8>,
    unsent: u64,
    unanswered: u64,
}

pub(super) async fn serve(server: SocketAddr, name: String) -> Result<()> {
    let options = ConnectionOptions::new(vec![server.to_string().parse()?], name);
    let client = Client::connect(options).await?;
    let inbox = Arc::new(Inbox::default());
    for (token, subject) in SUBJECTS.iter().enumerate() {
        let receiver = Arc::clone(&inbox) as Arc<dyn Receiver>;
        client.subscribe(SubjectPattern::new(subject)?, None, receiver, token as u64)?;
    }
    let engine = Engine { client, inbox, order: None };
    // As a task, like those of async-nats: a runtime looks after its first future apart.
    tokio::spawn(engine.run()).await?
}

impl Engine {
    async fn run(mut self) -> Result<()> {
        let mut arrivals = Vec::new();
        loop {
            self.inbox.take(&mut arrivals).await;
            for arrival in arrivals.drain(..) {
                match arrival {
                    Arrival::Message { subject: ECHO, message } => {
                        self.respond(&message, message.payload())?;
                    }
                    Arrival::Answer => self.answered()?,
                    Arrival::Count { reply_to, text } => {
                        self.respond(&reply_to, text.as_bytes())?;
                    }
                    Arrival::Message { subject: PUBLISH, message } => {
                        self.publish(&message).await?;
                        self.respond(&message, b"")?;
                    }
                    Arrival::Message { subject: REQUEST, message } => self.begin(message)?,
                    Arrival::Message { .. } => {}
                }
            }
        }
    }

    async fn publish(&self, order: &Message) -> Result<()> {
        let (count, size): (u64, usize) = serde_json::from_slice(order.payload())?;
        let (subject, payload, mut left) = (Subject::new(OUTPUT)?, vec![b'x'; size], count);
        while left > 0 {
            match self.client.offer(subject, None, &[], &payload) {
                Ok(()) => left -= 1,
                Err(SessionError::BufferFull { .. }) => {
                    self.client.room().await;
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn begin(&mut self, message: Message) -> Result<()> {
        let (count, size, in_flight): (u64, usize, u64) =
            serde_json::from_slice(message.payload())?;
        let payload = vec![b'x'; size];
        self.order = Some(Order { message, payload, unsent: count, unanswered: count });
        (0..in_flight).try_for_each(|_| self.request())
    }

    /// Sends one request more, if one is left.
    fn request(&mut self) -> Result<()> {
        let order = self.order.as_mut().context("an answer without an order")?;
        let Some(unsent) = order.unsent.checked_sub(1) else { return Ok(()) };
        order.unsent = unsent;
        let options = RequestOptions { timeout: PATIENCE, ..RequestOptions::default() };
        let receiver = Arc::clone(&self.inbox) as Arc<dyn Receiver>;
        let subject = Subject::new(SERVICE)?;
        self.client.request(subject, &[], &order.payload, &options, receiver, 0)?;
        Ok(())
    }

    fn answered(&mut self) -> Result<()> {
        self.request()?;
        let order = self.order.as_mut().context("an answer without an order")?;
        order.unanswered -= 1;
        if order.unanswered > 0 {
            return Ok(());
        }
        match self.order.take() {
            Some(order) => self.respond(&order.message, b""),
            None => Ok(()),
        }
    }

    fn respond(&self, message: &Message, payload: &[u8]) -> Result<()> {
        let Some(reply_to) = message.reply_to() else { return Ok(()) };
        let subject = Subject::new(std::str::from_utf8(reply_to)?)?;
        self.client.publish(subject, None, &[], payload).context("respond")
    }
}
