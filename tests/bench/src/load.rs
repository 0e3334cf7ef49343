//! Makes a client work, at the pace that it can keep, and checks that it did.

use std::{
    net::SocketAddr,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};

use crate::{
    rivals::SUBJECTS,
    wire::{self, Receiver, Sender},
    workloads::{Kind, Workload},
};

/// Where clients answer.
const ANSWERS: &str = "bench.answers";

/// A client tells what it has counted after each chunk, and is sent no further
/// one before it has told of the one before the last: so nobody's queue is ever
/// full. Chunks are large enough that the answers don't matter.
const CHUNK_MESSAGES: u64 = 8_192;
const CHUNK_BYTES: usize = 4 << 20;
const CHUNKS_IN_FLIGHT: u64 = 2;

/// A client that is ordered to publish gets orders of this size.
const ORDER_MESSAGES: u64 = 10_000;

/// Where a rate is to be kept, messages are written once in this time.
const PACE: Duration = Duration::from_millis(1);

/// A connection that sends work and takes the answers.
pub(crate) struct Load {
    receiver: Receiver,
    sender: Sender,
    /// What the client should have counted: messages and bytes.
    expected: (u64, u64),
    /// What the client should have published, answers included.
    published: u64,
}

impl Load {
    pub(crate) fn connect(server: SocketAddr) -> Result<Self> {
        let (receiver, mut sender) = wire::connect(server, "load")?;
        receiver.lose_patience()?;
        sender.write(format!("SUB {ANSWERS} 1\r\n").as_bytes())?;
        Ok(Self { receiver, sender, expected: (0, 0), published: 0 })
    }

    /// How many messages the server should have from the client by now.
    pub(crate) fn published(&self) -> u64 {
        self.published
    }

    /// Makes the client do all of it. Gives the time that each answer took,
    /// where they come one at a time.
    pub(crate) fn drive(&mut self, workload: Workload) -> Result<Vec<Duration>> {
        match workload.kind {
            Kind::Receive { per_second } => self.receive(workload, per_second)?,
            Kind::Echo { in_flight } => self.echo(workload, in_flight)?,
            Kind::RoundTrip => return self.round_trips(workload),
            Kind::Publish => self.publish(workload)?,
        }
        Ok(Vec::new())
    }

    fn receive(&mut self, workload: Workload, per_second: Option<u32>) -> Result<()> {
        let chunk = Chunk::new(workload.payload);
        let mut pace = per_second.map(Pace::new);
        let (mut left, mut in_flight) = (workload.messages, Vec::new());
        while left > 0 {
            let count = left.min(chunk.messages);
            left -= count;
            let messages = chunk.last(count);
            match &mut pace {
                Some(pace) => pace.write(messages, chunk.message, &mut self.sender)?,
                None => self.sender.write(messages)?,
            }
            in_flight.push(count);
            if in_flight.len() as u64 == CHUNKS_IN_FLIGHT {
                self.take_count(in_flight.remove(0), workload.payload)?;
            }
        }
        in_flight.into_iter().try_for_each(|count| self.take_count(count, workload.payload))
    }

    fn take_count(&mut self, count: u64, payload: usize) -> Result<()> {
        let (messages, bytes) = &mut self.expected;
        *messages += count;
        *bytes += count * payload as u64;
        let expected = format!("{messages} {bytes}");
        self.expect(expected.as_bytes())
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
        let [_, _, orders] = SUBJECTS;
        let mut left = workload.messages;
        while left > 0 {
            let count = left.min(ORDER_MESSAGES);
            left -= count;
            let order = serde_json::to_vec(&(count, workload.payload))?;
            self.sender.write(&wire::encode(orders, Some(ANSWERS), &order))?;
            self.expect(b"")?;
            self.published += count;
        }
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
    let [_, echoes, _] = SUBJECTS;
    let payload = vec![b'x'; workload.payload];
    (wire::encode(echoes, Some(ANSWERS), &payload), payload)
}

/// Ready-made messages, the last of which asks what was counted.
struct Chunk {
    bytes: Vec<u8>,
    messages: u64,
    /// Bytes of each but the last.
    message: usize,
}

impl Chunk {
    fn new(payload: usize) -> Self {
        let [input, ..] = SUBJECTS;
        let messages = CHUNK_MESSAGES.min((CHUNK_BYTES / payload.max(1)) as u64);
        let payload = vec![b'x'; payload];
        let message = wire::encode(input, None, &payload);
        let mut bytes = message.repeat(messages as usize - 1);
        bytes.extend(wire::encode(input, Some(ANSWERS), &payload));
        Self { bytes, messages, message: message.len() }
    }

    /// The last so many messages.
    fn last(&self, count: u64) -> &[u8] {
        self.bytes.get((self.messages - count) as usize * self.message..).unwrap_or_default()
    }
}

/// Spreads messages over time.
struct Pace {
    next: Instant,
    messages: usize,
}

impl Pace {
    fn new(per_second: u32) -> Self {
        let messages = (f64::from(per_second) * PACE.as_secs_f64()) as usize;
        Self { next: Instant::now(), messages: messages.max(1) }
    }

    /// Writes a few messages each time, all but the last of this length.
    fn write(&mut self, mut rest: &[u8], message: usize, sender: &mut Sender) -> Result<()> {
        let step = self.messages * message;
        while !rest.is_empty() {
            // What would leave less than a message is the end.
            let (now, later) = match rest.len() >= step + message {
                true => rest.split_at(step),
                false => (rest, &[][..]),
            };
            rest = later;
            thread::sleep(self.next.saturating_duration_since(Instant::now()));
            self.next += PACE;
            sender.write(now)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn last_of_a_chunk_are_whole_messages_and_one_question() {
        let chunk = Chunk::new(4);
        assert_eq!(chunk.last(1), b"PUB bench.in bench.answers 4\r\nxxxx\r\n");
        assert!(chunk.last(2).starts_with(b"PUB bench.in 4\r\nxxxx\r\nPUB bench.in bench.answers"));
        assert_eq!(chunk.last(chunk.messages), chunk.bytes);
    }
}
