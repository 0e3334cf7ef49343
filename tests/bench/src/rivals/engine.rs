//! The host's own engine as a native library: its connection, and no plugin behind it.

use std::{
    iter, mem,
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, Result};
use simple_nats::{
    connection::{Answer, Arrival, Client, ConnectionOptions, Receiver, Reception, Together},
    protocol::{EndReason, Message, RequestOptions, SessionError, Subject, SubjectPattern},
};
use tokio::sync::Notify;

use super::{HEADER, OUTPUT, SERVICE, SUBJECTS};

/// No answer takes this long unless something is broken.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a subscription is known by: its place among [`SUBJECTS`].
mod token {
    pub(super) const INPUT: u64 = 0;
    pub(super) const HEADERS: u64 = 1;
    pub(super) const ECHO: u64 = 2;
    pub(super) const PUBLISH: u64 = 3;
    pub(super) const REQUEST: u64 = 4;
}

/// What arrives and asks for something.
enum Kept {
    /// To be answered with the count and the bytes.
    Count(Message, u64, u64),
    /// To be answered with itself.
    Echo(Message),
    /// An order.
    Publish(Message),
    /// An order.
    Request(Message),
    /// To a request.
    Answer,
}

/// Counts where messages arrive, and keeps what takes longer.
#[derive(Default)]
struct Inbox {
    input: Tally,
    headers: Tally,
    arrivals: Mutex<Vec<Kept>>,
    filled: Notify,
}

/// Counted by the connection's task alone.
#[derive(Default)]
struct Tally {
    count: AtomicU64,
    bytes: AtomicU64,
}

impl Tally {
    /// Answers what there is with this one.
    fn add(&self, bytes: usize) -> (u64, u64) {
        let count = self.count.load(Ordering::Relaxed) + 1;
        let bytes = self.bytes.load(Ordering::Relaxed) + bytes as u64;
        self.count.store(count, Ordering::Relaxed);
        self.bytes.store(bytes, Ordering::Relaxed);
        (count, bytes)
    }
}

impl Inbox {
    fn lock(&self) -> MutexGuard<'_, Vec<Kept>> {
        self.arrivals.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps what comes, and wakes who waits for it.
    fn keep(&self, arrivals: impl Iterator<Item = Kept>) {
        let mut kept = self.lock();
        let was_empty = kept.is_empty();
        kept.extend(arrivals);
        let wakes = was_empty && !kept.is_empty();
        drop(kept);
        if wakes {
            self.filled.notify_one();
        }
    }

    /// What has to be kept of a message.
    fn take_in(&self, Arrival { token, message, .. }: Arrival) -> Option<Kept> {
        let (count, bytes) = match token {
            token::INPUT => self.input.add(message.payload().len()),
            token::HEADERS => self.headers.add(header_bytes(&message)),
            token::ECHO => return Some(Kept::Echo(message)),
            token::PUBLISH => return Some(Kept::Publish(message)),
            token::REQUEST => return Some(Kept::Request(message)),
            _ => return None,
        };
        message.reply_to().is_some().then_some(Kept::Count(message, count, bytes))
    }

    /// Swaps what has arrived for an empty list.
    async fn take(&self, arrivals: &mut Vec<Kept>) {
        self.filled.notified().await;
        mem::swap(arrivals, &mut self.lock());
    }
}

impl Receiver for Inbox {
    fn messages(&self, arrivals: &mut dyn Iterator<Item = Arrival>) -> Reception {
        self.keep(arrivals.filter_map(|arrival| self.take_in(arrival)));
        Reception::default()
    }

    fn subscription_ended(&self, _token: u64, _reason: EndReason) {}

    fn reply(&self, _token: u64, answer: Answer, _last: bool) {
        // Without its answer the benchmark fails.
        if let Ok(Some(_)) = answer {
            self.keep(iter::once(Kept::Answer));
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
    service: Subject<'static>,
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
        let (mut arrivals, mut orders) = (Vec::new(), Vec::new());
        loop {
            self.inbox.take(&mut arrivals).await;
            let client = self.client.clone();
            client.publish_together(|out| {
                arrivals.drain(..).try_for_each(|arrival| self.take(arrival, &mut orders, out))
            })?;
            for order in orders.drain(..) {
                self.publish(&order).await?;
                client.publish_together(|out| respond(out, &order, b""))?;
            }
        }
    }

    /// Orders to publish, which may have to wait, are put off.
    fn take(
        &mut self,
        arrival: Kept,
        orders: &mut Vec<Message>,
        out: &mut Together<'_>,
    ) -> Result<()> {
        match arrival {
            Kept::Count(message, count, bytes) => {
                respond(out, &message, format!("{count} {bytes}").as_bytes())
            }
            Kept::Echo(message) => respond(out, &message, message.payload()),
            Kept::Publish(message) => {
                orders.push(message);
                Ok(())
            }
            Kept::Request(message) => self.begin(message, out),
            Kept::Answer => self.answered(out),
        }
    }

    async fn publish(&self, order: &Message) -> Result<()> {
        let (count, size): (u64, usize) = serde_json::from_slice(order.payload())?;
        let (subject, payload, mut left) = (Subject::new(OUTPUT)?, vec![b'x'; size], count);
        while left > 0 {
            let offered = self.client.publish_together(|out| {
                while left > 0 {
                    out.offer(subject, None, &[], &payload)?;
                    left -= 1;
                }
                Ok(())
            });
            match offered {
                Err(SessionError::BufferFull { .. }) => {
                    self.client.room().await;
                }
                offered => offered?,
            }
        }
        Ok(())
    }

    fn begin(&mut self, message: Message, out: &mut Together<'_>) -> Result<()> {
        let (count, size, in_flight): (u64, usize, u64) =
            serde_json::from_slice(message.payload())?;
        let (service, payload) = (Subject::new(SERVICE)?, vec![b'x'; size]);
        self.order = Some(Order { message, service, payload, unsent: count, unanswered: count });
        (0..in_flight).try_for_each(|_| self.request(out))
    }

    /// Sends one request more, if one is left.
    fn request(&mut self, out: &mut Together<'_>) -> Result<()> {
        let order = self.order.as_mut().context("an answer without an order")?;
        let Some(unsent) = order.unsent.checked_sub(1) else { return Ok(()) };
        order.unsent = unsent;
        let options = RequestOptions { timeout: PATIENCE, ..RequestOptions::default() };
        let receiver = Arc::clone(&self.inbox) as Arc<dyn Receiver>;
        out.request(order.service, &[], &order.payload, &options, receiver, 0)?;
        Ok(())
    }

    fn answered(&mut self, out: &mut Together<'_>) -> Result<()> {
        self.request(out)?;
        let order = self.order.as_mut().context("an answer without an order")?;
        order.unanswered -= 1;
        if order.unanswered > 0 {
            return Ok(());
        }
        match self.order.take() {
            Some(order) => respond(out, &order.message, b""),
            None => Ok(()),
        }
    }
}

fn respond(out: &mut Together<'_>, message: &Message, payload: &[u8]) -> Result<()> {
    let Some(reply_to) = message.reply_to() else { return Ok(()) };
    let subject = Subject::from_bytes(reply_to)?;
    out.publish(subject, None, &[], payload).context("respond")
}
