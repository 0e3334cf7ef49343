//! A blocking socket and no client at all.

use std::net::SocketAddr;

use anyhow::{Context, Result, bail};
use memchr::memmem;

use super::{ECHO, HEADER, HEADERS, INPUT, OUTPUT, PUBLISH, REQUEST, SERVICE};
use crate::wire::{self, Message, Receiver, Sender};

/// Ready-made messages are written in blocks of about this size.
const BLOCK_BYTES: usize = 64 * 1024;

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
            (sid::ECHO, Some(reply_to)) => sender.publish(reply_to, message.payload),
            (sid::PUBLISH, Some(reply_to)) => {
                let (count, size): (usize, usize) = serde_json::from_slice(message.payload)?;
                publish(&mut sender, count, size)?;
                sender.publish(reply_to, b"");
            }
            (sid::REQUEST, Some(reply_to)) => {
                let reply_to = reply_to.to_vec();
                let order = serde_json::from_slice(message.payload)?;
                request(&mut receiver, &mut sender, &inbox, order)?;
                sender.publish(&reply_to, b"");
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
            sender.publish(reply_to, format!("{} {}", self.count, self.bytes).as_bytes());
        }
    }
}

fn header_bytes(message: Message<'_>) -> Result<usize> {
    let start = memmem::find(message.headers, HEADER.as_bytes()).context("no such header")?;
    let field = message.headers.get(start + HEADER.len() + b": ".len()..).unwrap_or_default();
    memmem::find(field, b"\r\n").context("a header without an end")
}

fn publish(sender: &mut Sender, count: usize, size: usize) -> Result<()> {
    let message = wire::encode(OUTPUT, None, &vec![b'x'; size]);
    let per_block = (BLOCK_BYTES / message.len()).clamp(1, count.max(1));
    let block = message.repeat(per_block);
    sender.flush()?;
    for _ in 0..count / per_block {
        sender.write(&block)?;
    }
    sender.write(&message.repeat(count % per_block))
}

/// Answers take whichever request waits: nothing is told apart.
fn request(
    receiver: &mut Receiver,
    sender: &mut Sender,
    inbox: &str,
    (count, size, in_flight): (usize, usize, usize),
) -> Result<()> {
    let request = wire::encode(SERVICE, Some(inbox), &vec![b'x'; size]);
    let number = String::from_utf8_lossy(sid::INBOX);
    sender.queue(format!("SUB {inbox} {number}\r\n").as_bytes());
    sender.queue(&request.repeat(in_flight.min(count)));
    for answered in 0..count {
        let answer = receiver.next(sender)?;
        if answer.sid != sid::INBOX {
            bail!("no answer: {}", String::from_utf8_lossy(answer.payload));
        }
        if answered + in_flight < count {
            sender.queue(&request);
        }
    }
    sender.queue(format!("UNSUB {number}\r\n").as_bytes());
    Ok(())
}
