//! What benchmarks drive: counts on `bench.in` and `bench.headers` and tells count and
//! bytes where asked, echoes on `bench.echo`, publishes in one callback on
//! `bench.publish`, and requests on `bench.request`. `SUBJECTS` replaces `bench`, and
//! `FURTHER` is how many subscriptions more there are.

use std::cell::Cell;
use std::env;
use std::rc::Rc;
use std::time::Duration;

use simple_nats_guest::{Error, Message, NatsClient};

simple_nats_guest::plugin!(start);

const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

fn start() -> Result<(), Error> {
    let nats = NatsClient::connect(None)?;
    let prefix = env::var("SUBJECTS").unwrap_or_else(|_| "bench".to_owned());
    let subject = |name: &str| format!("{prefix}.{name}");
    count(nats, &subject("in"), |message| message.payload().len())?;
    count(nats, &subject("headers"), |message| message.header("Trace-Id").map_or(0, str::len))?;
    nats.subscribe(&subject("echo"), None, |message: Message| message.respond(message.payload()))?;
    nats.subscribe(&subject("publish"), None, move |message: Message| {
        let (count, size): (u64, usize) = message.json()?;
        let payload = vec![b'x'; size];
        for _ in 0..count {
            nats.publish("bench.out", &payload)?;
        }
        message.respond("")
    })?;
    nats.subscribe(&subject("request"), None, move |message: Message| request(nats, message))?;
    let further = env::var("FURTHER").ok().and_then(|number| number.parse().ok()).unwrap_or(0);
    for number in 0..further {
        nats.subscribe(&subject(&format!("further.{number}")), None, |_: Message| ())?;
    }
    Ok(())
}

fn count(nats: NatsClient, subject: &str, size: fn(&Message) -> usize) -> Result<(), Error> {
    let (mut count, mut bytes) = (0_u64, 0_u64);
    nats.subscribe(subject, None, move |message: Message| {
        count += 1;
        bytes += size(&message) as u64;
        match message.reply_to() {
            Some(_) => message.respond(format!("{count} {bytes}")),
            None => Ok(()),
        }
    })?;
    Ok(())
}

fn request(nats: NatsClient, order: Message) -> Result<(), Error> {
    let (count, size, in_flight): (u64, usize, u64) = order.json()?;
    let payload = vec![b'x'; size];
    if in_flight == 1 {
        for _ in 0..count {
            nats.request_and_wait("bench.service", &payload, ANSWER_TIMEOUT)?;
        }
        return order.respond("");
    }
    let requests = Rc::new(Requests {
        nats,
        unsent: Cell::new(count),
        unanswered: Cell::new(count),
        payload,
        order,
    });
    (0..in_flight).try_for_each(|_| requests.send())
}

/// An order being carried out in callbacks.
struct Requests {
    nats: NatsClient,
    unsent: Cell<u64>,
    unanswered: Cell<u64>,
    payload: Vec<u8>,
    order: Message,
}

impl Requests {
    /// Sends one request more, if one is left.
    fn send(self: &Rc<Self>) -> Result<(), Error> {
        let Some(unsent) = self.unsent.get().checked_sub(1) else { return Ok(()) };
        self.unsent.set(unsent);
        let requests = Rc::clone(self);
        self.nats.request("bench.service", &self.payload, move |answer| {
            // Without its answer the benchmark fails.
            let _ = answer.and_then(|_| requests.answered());
        })?;
        Ok(())
    }

    fn answered(self: &Rc<Self>) -> Result<(), Error> {
        self.unanswered.set(self.unanswered.get() - 1);
        match self.unanswered.get() {
            0 => self.order.respond(""),
            _ => self.send(),
        }
    }
}
