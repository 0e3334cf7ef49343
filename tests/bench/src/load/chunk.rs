//! Messages made ready, and how they are spread over time.

use std::{
    thread,
    time::{Duration, Instant},
};

use anyhow::Result;

use crate::wire::{self, Sender};

/// A client tells what it has counted after each chunk, and is sent no further
/// one before it has told of the one before the last: so nobody's queue is ever
/// full. Chunks are large enough that the answers don't matter.
const MESSAGES: u64 = 8_192;
/// Where many clients get each message, this is enough.
const FEWEST_MESSAGES: u64 = 64;
const BYTES: usize = 4 << 20;

/// Where a rate is to be kept, messages are written once in this time.
const PACE: Duration = Duration::from_millis(1);

/// Header fields as they come from a service that traces what it does.
const HEADERS: &str = "NATS/1.0\r\n\
    Nats-Msg-Id: 9b1deb4d-3b7d-4bad-9bdd-2b0d7b3dcb6d\r\n\
    Trace-Id: 4bf92f3577b34da6a3ce929d0e0e4736\r\n\
    Content-Type: application/json\r\n\r\n";

/// Bytes of the value that clients read.
pub(super) const HEADER_VALUE: usize = 32;

/// Ready-made messages, the last of which asks what was counted.
pub(super) struct Chunk {
    bytes: Vec<u8>,
    pub(super) messages: u64,
    /// Bytes of each but the last.
    pub(super) message: usize,
}

impl Chunk {
    /// Messages on a subject for so many clients that each get all.
    pub(super) fn new(
        subject: &str,
        answers: &str,
        payload: usize,
        clients: usize,
        with_headers: bool,
    ) -> Self {
        let fewest = FEWEST_MESSAGES.max(MESSAGES / clients as u64);
        let messages = (BYTES as u64 / (payload.max(1) as u64)).min(fewest);
        let payload = vec![b'x'; payload];
        let encode = |reply_to| match with_headers {
            true => wire::encode_with_headers(subject, reply_to, HEADERS, &payload),
            false => wire::encode(subject, reply_to, &payload),
        };
        let message = encode(None);
        let mut bytes = message.repeat(messages.saturating_sub(1) as usize);
        bytes.extend(encode(Some(answers)));
        Self { bytes, messages: messages.max(1), message: message.len() }
    }

    /// The last so many messages.
    pub(super) fn last(&self, count: u64) -> &[u8] {
        self.bytes.get((self.messages - count) as usize * self.message..).unwrap_or_default()
    }
}

/// Spreads messages over time.
pub(super) struct Pace {
    next: Instant,
    messages: usize,
}

impl Pace {
    pub(super) fn new(per_second: u32) -> Self {
        let messages = (f64::from(per_second) * PACE.as_secs_f64()) as usize;
        Self { next: Instant::now(), messages: messages.max(1) }
    }

    /// Writes a few messages each time, all but the last of this length.
    pub(super) fn write(
        &mut self,
        mut rest: &[u8],
        message: usize,
        sender: &mut Sender,
    ) -> Result<()> {
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
    use crate::rivals::HEADER;

    #[test]
    fn last_of_a_chunk_are_whole_messages_and_one_question() {
        let chunk = Chunk::new("in", "answers", 4, 1, false);
        assert_eq!(chunk.last(1), b"PUB in answers 4\r\nxxxx\r\n");
        assert!(chunk.last(2).starts_with(b"PUB in 4\r\nxxxx\r\nPUB in answers"));
        assert_eq!(chunk.last(chunk.messages), chunk.bytes);
    }

    #[test]
    fn header_that_clients_read_is_as_long_as_they_are_expected_to_count() {
        let (_, rest) = HEADERS.split_once(&format!("{HEADER}: ")).unwrap();
        assert_eq!(rest.split("\r\n").next().unwrap().len(), HEADER_VALUE);
    }
}
