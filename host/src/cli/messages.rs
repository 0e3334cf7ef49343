//! What `pub`, `sub` and `request` have in common: payloads and headers from the
//! command line, and messages as they come.

use std::io::Read;
use std::sync::Arc;

use anyhow::{Context, anyhow};
use tokio::sync::mpsc;

use super::exit::Failure;
use crate::connection::{self, Answer, Receiver, Reception};
use crate::protocol::{EndReason, Headers, Message};

/// The payload of a message: the argument itself, or standard input.
pub(super) fn payload(argument: Option<&str>) -> Result<Vec<u8>, Failure> {
    match argument {
        Some("-") => {
            let mut bytes = Vec::new();
            std::io::stdin().lock().read_to_end(&mut bytes).context("read standard input")?;
            Ok(bytes)
        }
        Some(text) => Ok(text.as_bytes().to_vec()),
        None => Ok(Vec::new()),
    }
}

/// Headers given as `Name: value`.
pub(super) fn headers(fields: &[String]) -> Result<Headers, Failure> {
    let mut headers = Headers::new();
    for field in fields {
        let (name, value) = field.split_once(':').ok_or_else(|| {
            Failure::Usage(anyhow!("header {field:?} has no colon; write NAME:VALUE"))
        })?;
        headers
            .push(name.trim_end(), value.trim_start().as_bytes())
            .map_err(|error| Failure::Usage(error.into()))?;
    }
    Ok(headers)
}

/// What a subscription or request of this process gets.
pub(super) enum Arrival {
    Message(Message),
    Answer { answer: Answer, last: bool },
    Ended(EndReason),
}

/// Queues what arrives.
pub(super) struct Arrivals(mpsc::UnboundedSender<Arrival>);

impl Arrivals {
    /// A receiver, and what it gets.
    pub(super) fn channel() -> (Arc<dyn Receiver>, mpsc::UnboundedReceiver<Arrival>) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (Arc::new(Self(sender)), receiver)
    }

    fn send(&self, arrival: Arrival) {
        // Who does not listen any more does not want it.
        let _ = self.0.send(arrival);
    }
}

impl Receiver for Arrivals {
    fn messages(&self, arrivals: &mut dyn Iterator<Item = connection::Arrival>) -> Reception {
        arrivals.for_each(|arrival| self.send(Arrival::Message(arrival.message)));
        Reception::default()
    }

    fn subscription_ended(&self, _: u64, reason: EndReason) {
        self.send(Arrival::Ended(reason));
    }

    fn reply(&self, _: u64, answer: Answer, last: bool) {
        self.send(Arrival::Answer { answer, last });
    }
}

/// The value of a message's header.
pub(super) fn header(message: &Message, wanted: &str) -> Option<String> {
    let fields = message.headers();
    let mut fields = fields.fields();
    let found = fields.find(|(name, _)| name.eq_ignore_ascii_case(wanted.as_bytes()));
    found.map(|(_, value)| String::from_utf8_lossy(value).into_owned())
}
