//! A blocking socket and no client at all.

use std::net::SocketAddr;

use anyhow::{Context, Result, bail, ensure};
use memchr::memmem;
use rustc_hash::FxHashSet;

use super::{ECHO, HEADER, HEADERS, INPUT, OUTPUT, PUBLISH, REQUEST, SERVICE};
use crate::wire::{self, Message, Receiver, Sender};

/// What is published leaves in pieces of about this size: smaller ones cost more.
const OUTPUT_BYTES: usize = 512 * 1024;

/// The number that a subscription has.
mod sid {
    pub(super) const INPUT: &[u8] = b"0";
    pub(super) const HEADERS: &[u8] = b"1";
    pub(super) const ECHO: &[u8] = b"2";
    pub(super) const PUBLISH: &[u8] = b"3";
    pub(super) const REQUEST: &[u8] = b"4";
    pub(super) const INBOX: &[u8] = b"5";
}

#[derive(Default)]
struct Tally {
    count: usize,
    bytes: usize,
}

pub(super) fn serve(server: SocketAddr, name: &str) -> Result<()> {
    let (mut receiver, mut sender) = wire::connect(server, name)?;
    let inbox = format!("_INBOX.{name}");
    let subjects = [INPUT, HEADERS, ECHO, PUBLISH, REQUEST];
    for (sid, subject) in subjects.iter().enumerate() {
        sender.queue(format!("SUB {subject} {sid}\r\n").as_bytes());
    }
    let (mut input, mut headers) = (Tally::default(), Tally::default());
    loop {
        let message = receiver.next(&mut sender)?;
        match (message.sid, message.reply_to) {
            (sid::INPUT, _) => input.add(message, message.payload.len(), &mut sender),
            (sid::HEADERS, _) => headers.add(message, header_bytes(message)?, &mut sender),
            (sid::ECHO, Some(reply_to)) => sender.publish(reply_to, None, message.payload),
            (sid::PUBLISH, Some(reply_to)) => {
                let (count, size): (usize, usize) = serde_json::from_slice(message.payload)?;
                publish(&mut sender, count, size)?;
                sender.publish(reply_to, None, b"");
            }
            (sid::REQUEST, Some(reply_to)) => {
                let reply_to = reply_to.to_vec();
                let order = serde_json::from_slice(message.payload)?;
                request(&mut receiver, &mut sender, &inbox, order)?;
                sender.publish(&reply_to, None, b"");
            }
            (sid, _) => bail!("nothing to do with {}", String::from_utf8_lossy(sid)),
        }
    }
}

impl Tally {
    fn add(&mut self, message: Message<'_>, bytes: usize, sender: &mut Sender) {
        self.count += 1;
        self.bytes += bytes;
        if let Some(reply_to) = message.reply_to {
            let text = format!("{} {}", self.count, self.bytes);
            sender.publish(reply_to, None, text.as_bytes());
        }
    }
}

fn header_bytes(message: Message<'_>) -> Result<usize> {
    let start = memmem::find(message.headers, HEADER.as_bytes()).context("no such header")?;
    let field = message.headers.get(start + HEADER.len() + b": ".len()..).unwrap_or_default();
    memmem::find(field, b"\r\n").context("a header without an end")
}

fn publish(sender: &mut Sender, count: usize, size: usize) -> Result<()> {
    let payload = vec![b'x'; size];
    for _ in 0..count {
        sender.publish(OUTPUT.as_bytes(), None, &payload);
        if sender.queued() >= OUTPUT_BYTES {
            sender.flush()?;
        }
    }
    sender.flush()
}

fn request(
    receiver: &mut Receiver,
    sender: &mut Sender,
    inbox: &str,
    (count, size, in_flight): (u64, usize, u64),
) -> Result<()> {
    let sid = String::from_utf8_lossy(sid::INBOX);
    sender.queue(format!("SUB {inbox}.* {sid}\r\n").as_bytes());
    let mut requests = Requests {
        payload: vec![b'x'; size],
        reply_to: format!("{inbox}."),
        last: 0,
        unanswered: FxHashSet::default(),
    };
    for _ in 0..in_flight.min(count) {
        requests.send(sender);
    }
    while !requests.unanswered.is_empty() {
        let answer = receiver.next(sender)?;
        ensure!(requests.take(answer), "no answer: {}", String::from_utf8_lossy(answer.subject));
        if requests.last < count {
            requests.send(sender);
        }
    }
    sender.queue(format!("UNSUB {sid}\r\n").as_bytes());
    Ok(())
}

/// Requests under way, which are told apart by the last token of their reply-to.
struct Requests {
    payload: Vec<u8>,
    /// Ends where the number begins.
    reply_to: String,
    last: u64,
    unanswered: FxHashSet<u64>,
}

impl Requests {
    fn send(&mut self, sender: &mut Sender) {
        let prefix = self.reply_to.len();
        self.last += 1;
        self.reply_to.push_str(itoa::Buffer::new().format(self.last));
        sender.publish(SERVICE.as_bytes(), Some(self.reply_to.as_bytes()), &self.payload);
        self.reply_to.truncate(prefix);
        self.unanswered.insert(self.last);
    }

    /// Whether it was an answer to one of them.
    fn take(&mut self, answer: Message<'_>) -> bool {
        let number = answer.subject.strip_prefix(self.reply_to.as_bytes()).unwrap_or_default();
        let number = str::from_utf8(number).ok().and_then(|digits| digits.parse().ok());
        number.is_some_and(|number| self.unanswered.remove(&number))
    }
}
