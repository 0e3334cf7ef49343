//! The host's own engine as a native library: its connection, and no plugin behind it.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use anyhow::{Context, Result};
use simple_nats::{
    connection::{Answer, Client, ConnectionOptions, Receiver, Reception},
    protocol::{EndReason, Message, RequestOptions, SessionError, Subject, SubjectPattern},
};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::{ECHO, HEADER, HEADERS, INPUT, OUTPUT, PUBLISH, REQUEST, SERVICE, SUBJECTS};

/// No answer takes this long unless something is broken.
const PATIENCE: Duration = Duration::from_secs(10);

/// So many arrivals are taken together.
const TOGETHER: usize = 256;

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
    Reply {
        order: u64,
    },
}

/// Counts where messages arrive, and hands on what takes longer.
struct Counter {
    /// By subject.
    tallies: Mutex<[(u64, u64); SUBJECTS.len()]>,
    arrivals: UnboundedSender<Arrival>,
}

impl Receiver for Counter {
    fn message(&self, token: u64, message: Message, _last: bool) -> Reception {
        let subject = SUBJECTS.get(token as usize).copied().unwrap_or_default();
        let bytes = match subject {
            INPUT => message.payload().len(),
            HEADERS => header_bytes(&message),
            _ => {
                // The program ends with the other side.
                let _ = self.arrivals.send(Arrival::Message { subject, message });
                return Reception::Taken;
            }
        };
        let Ok(mut tallies) = self.tallies.lock() else { return Reception::Dropped };
        let Some((count, sum)) = tallies.get_mut(token as usize) else {
            return Reception::Dropped;
        };
        *count += 1;
        *sum += bytes as u64;
        if message.reply_to().is_some() {
            let text = format!("{count} {sum}");
            let _ = self.arrivals.send(Arrival::Count { reply_to: message, text });
        }
        Reception::Taken
    }

    fn subscription_ended(&self, _token: u64, _reason: EndReason) {}

    fn reply(&self, token: u64, answer: Answer, _last: bool) {
        // Without its answer the benchmark fails.
        if let Ok(Some(_)) = answer {
            let _ = self.arrivals.send(Arrival::Reply { order: token });
        }
    }
}

fn header_bytes(message: &Message) -> usize {
    let name = HEADER.as_bytes();
    message.headers().fields().find(|(field, _)| *field == name).map_or(0, |(_, value)| value.len())
}

/// An order to request, being carried out.
struct Order {
    message: Message,
    payload: Vec<u8>,
    unsent: u64,
    unanswered: u64,
}

struct Engine {
    client: Client,
    receiver: Arc<Counter>,
    orders: HashMap<u64, Order>,
    last_order: u64,
}

pub(super) async fn serve(server: SocketAddr, name: String) -> Result<()> {
    let options = ConnectionOptions::new(vec![server.to_string().parse()?], name);
    let client = Client::connect(options).await?;
    let (sender, arrivals) = unbounded_channel();
    let receiver = Arc::new(Counter { tallies: Mutex::default(), arrivals: sender });
    for (token, subject) in SUBJECTS.iter().enumerate() {
        let receiver = Arc::clone(&receiver) as Arc<dyn Receiver>;
        client.subscribe(SubjectPattern::new(subject)?, None, receiver, token as u64)?;
    }
    Engine { client, receiver, orders: HashMap::new(), last_order: 0 }.run(arrivals).await
}

impl Engine {
    async fn run(mut self, mut arrivals: UnboundedReceiver<Arrival>) -> Result<()> {
        let mut together = Vec::new();
        while arrivals.recv_many(&mut together, TOGETHER).await > 0 {
            for arrival in together.drain(..) {
                self.take(arrival).await?;
            }
        }
        Ok(())
    }

    async fn take(&mut self, arrival: Arrival) -> Result<()> {
        match arrival {
            Arrival::Count { reply_to, text } => self.respond(&reply_to, text.as_bytes()),
            Arrival::Message { subject: ECHO, message } => {
                self.respond(&message, message.payload())
            }
            Arrival::Message { subject: PUBLISH, message } => {
                self.publish(&message).await?;
                self.respond(&message, b"")
            }
            Arrival::Message { subject: REQUEST, message } => self.begin(message),
            Arrival::Message { .. } => Ok(()),
            Arrival::Reply { order } => self.answered(order),
        }
    }

    async fn publish(&self, order: &Message) -> Result<()> {
        let (count, size): (u64, usize) = serde_json::from_slice(order.payload())?;
        let (payload, mut left) = (vec![b'x'; size], count);
        while left > 0 {
            match self.client.offer(Subject::new(OUTPUT)?, None, &[], &payload) {
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
        self.last_order += 1;
        let payload = vec![b'x'; size];
        let order = Order { message, payload, unsent: count, unanswered: count };
        self.orders.insert(self.last_order, order);
        (0..in_flight).try_for_each(|_| self.request(self.last_order))
    }

    /// Sends one request more, if one is left.
    fn request(&mut self, number: u64) -> Result<()> {
        let order = self.orders.get_mut(&number).context("an answer without an order")?;
        let Some(unsent) = order.unsent.checked_sub(1) else { return Ok(()) };
        order.unsent = unsent;
        let options = RequestOptions { timeout: PATIENCE, ..RequestOptions::default() };
        let receiver = Arc::clone(&self.receiver) as Arc<dyn Receiver>;
        let subject = Subject::new(SERVICE)?;
        self.client.request(subject, &[], &order.payload, &options, receiver, number)?;
        Ok(())
    }

    fn answered(&mut self, number: u64) -> Result<()> {
        let order = self.orders.get_mut(&number).context("an answer without an order")?;
        order.unanswered -= 1;
        if order.unanswered > 0 {
            return self.request(number);
        }
        match self.orders.remove(&number) {
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
