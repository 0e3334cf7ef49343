//! Makes clients work, at the pace that they can keep, and checks that they did.

mod chunk;

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use anyhow::{Result, bail, ensure};

use self::chunk::{Chunk, HEADER_VALUE, Pace};
use crate::{
    rivals::{ECHO, HEADERS, INPUT, PUBLISH, REQUEST, SERVICE},
    wire::{self, Receiver, Sender},
    workloads::{Kind, Workload},
};

/// Where clients answer.
const ANSWERS: &str = "bench.answers";

/// How much may be on its way to a client that counts; see [`Chunk`]. Of several
/// clients, one may be done with its second before another is with its first.
const CHUNKS_IN_FLIGHT: usize = 2;
const CHUNKS_TO_MANY: usize = 1;

/// Clients that are ordered to publish or request get orders of this size.
const ORDER_MESSAGES: u64 = 10_000;

/// A connection that sends work and takes the answers.
pub(crate) struct Load {
    receiver: Receiver,
    sender: Sender,
    /// What each client should have counted: messages and bytes.
    expected: (u64, u64),
    /// What the clients should have published, answers included.
    published: u64,
}

impl Load {
    pub(crate) fn connect(server: SocketAddr) -> Result<Self> {
        let (receiver, mut sender) = wire::connect(server, "load")?;
        receiver.lose_patience()?;
        sender.write(format!("SUB {ANSWERS} 1\r\nSUB {SERVICE} 2\r\n").as_bytes())?;
        Ok(Self { receiver, sender, expected: (0, 0), published: 0 })
    }

    /// How many messages the server should have from the clients by now.
    pub(crate) fn published(&self) -> u64 {
        self.published
    }

    /// Makes the clients do all of it. Gives the time that each answer took,
    /// where they come one at a time.
    pub(crate) fn drive(&mut self, workload: Workload) -> Result<Vec<Duration>> {
        match workload.kind {
            Kind::Receive { per_second } => self.receive(workload, INPUT, per_second)?,
            Kind::ReceiveHeaders => self.receive(workload, HEADERS, None)?,
            Kind::Echo { in_flight } => self.echo(workload, in_flight)?,
            Kind::RoundTrip => return self.round_trips(workload),
            Kind::Publish => self.publish(workload)?,
            Kind::Request { in_flight } => self.request(workload, in_flight)?,
        }
        Ok(Vec::new())
    }

    fn receive(&mut self, of: Workload, subject: &str, per_second: Option<u32>) -> Result<()> {
        let with_headers = of.kind == Kind::ReceiveHeaders;
        let chunk = Chunk::new(subject, ANSWERS, of.payload, of.clients, with_headers);
        let mut pace = per_second.map(Pace::new);
        let most = if of.clients == 1 { CHUNKS_IN_FLIGHT } else { CHUNKS_TO_MANY };
        let (mut left, mut in_flight) = (of.messages_of_each(), Vec::new());
        while left > 0 {
            let count = left.min(chunk.messages);
            left -= count;
            let messages = chunk.last(count);
            match &mut pace {
                Some(pace) => pace.write(messages, chunk.message, &mut self.sender)?,
                None => self.sender.write(messages)?,
            }
            in_flight.push(count);
            if in_flight.len() == most {
                self.take_counts(in_flight.remove(0), of)?;
            }
        }
        in_flight.into_iter().try_for_each(|count| self.take_counts(count, of))
    }

    fn take_counts(&mut self, count: u64, of: Workload) -> Result<()> {
        let size = if of.kind == Kind::ReceiveHeaders { HEADER_VALUE } else { of.payload };
        let (messages, bytes) = &mut self.expected;
        *messages += count;
        *bytes += count * size as u64;
        let expected = format!("{messages} {bytes}");
        (0..of.clients).try_for_each(|_| self.expect(expected.as_bytes()))
    }

    fn echo(&mut self, workload: Workload, in_flight: u64) -> Result<()> {
        let (request, payload) = echo_request(workload);
        let mut unsent = workload.messages;
        for _ in 0..in_flight.min(unsent) {
            self.sender.queue(&request);
            unsent -= 1;
        }
        for _ in 0..workload.messages {
            self.expect(&payload)?;
            if unsent > 0 {
                self.sender.queue(&request);
                unsent -= 1;
            }
        }
        Ok(())
    }

    fn round_trips(&mut self, workload: Workload) -> Result<Vec<Duration>> {
        let (request, payload) = echo_request(workload);
        (0..workload.messages)
            .map(|_| {
                let start = Instant::now();
                self.sender.write(&request)?;
                self.expect(&payload)?;
                Ok(start.elapsed())
            })
            .collect()
    }

    fn publish(&mut self, workload: Workload) -> Result<()> {
        let clients = workload.clients as u64;
        let mut left = workload.messages_of_each();
        while left > 0 {
            let count = left.min(ORDER_MESSAGES / clients);
            left -= count;
            let order = serde_json::to_vec(&(count, workload.payload))?;
            self.sender.write(&wire::encode(PUBLISH, Some(ANSWERS), &order))?;
            (0..clients).try_for_each(|_| self.expect(b""))?;
            self.published += count * clients;
        }
        Ok(())
    }

    fn request(&mut self, workload: Workload, in_flight: u64) -> Result<()> {
        let mut left = workload.messages;
        while left > 0 {
            let count = left.min(ORDER_MESSAGES);
            left -= count;
            let order = serde_json::to_vec(&(count, workload.payload, in_flight))?;
            self.sender.write(&wire::encode(REQUEST, Some(ANSWERS), &order))?;
            (0..count).try_for_each(|_| self.answer(workload.payload))?;
            self.published += count;
            self.expect(b"")?;
        }
        Ok(())
    }

    /// Answers a request.
    fn answer(&mut self, payload: usize) -> Result<()> {
        let request = self.receiver.next(&mut self.sender)?;
        let (Some(reply_to), b"2") = (request.reply_to, request.sid) else {
            bail!("answered {:?}, not a request", String::from_utf8_lossy(request.payload));
        };
        ensure!(request.payload.len() == payload, "a request of other bytes than {payload}");
        self.sender.publish(reply_to, None, request.payload);
        Ok(())
    }

    fn expect(&mut self, payload: &[u8]) -> Result<()> {
        let answer = self.receiver.next(&mut self.sender)?.payload;
        ensure!(
            answer == payload,
            "answered {:?}, not {:?}",
            String::from_utf8_lossy(answer),
            String::from_utf8_lossy(payload)
        );
        self.published += 1;
        Ok(())
    }
}

fn echo_request(workload: Workload) -> (Vec<u8>, Vec<u8>) {
    let payload = vec![b'x'; workload.payload];
    (wire::encode(ECHO, Some(ANSWERS), &payload), payload)
}
