//! A transport: what is between a session and a server.

use bytes::BytesMut;

use super::server::{Server, number};
use crate::protocol::{ClientOp, Retired, Session, first_unwritten};

/// Buffers as a driver has them, and the server at the other end.
#[derive(Debug)]
pub(super) struct Link {
    /// Links are numbered in their order.
    pub(super) number: usize,
    pub(super) server: Server,
    pub(super) input: BytesMut,
    output: Vec<u8>,
    written: usize,
    /// Only of one that was replaced.
    pub(super) retired: Option<Retired>,
}

impl Link {
    pub(super) fn new(number: usize) -> Self {
        Self {
            number,
            server: Server::new(),
            input: BytesMut::new(),
            output: Vec::new(),
            written: 0,
            retired: None,
        }
    }

    /// Takes output once all of the last is written.
    pub(super) fn refill(&mut self, session: &mut Session) {
        if self.written == self.output.len() {
            assert!(!self.server.has_partial(), "output is made of whole operations");
            self.output.clear();
            self.written = 0;
            session.take_output(&mut self.output);
        }
    }

    /// Writes up to so many bytes.
    pub(super) fn write(&mut self, bytes: usize, trusted: bool) -> Vec<(u64, String)> {
        let rest = &self.output[self.written..];
        let now = &rest[..bytes.min(rest.len())];
        self.written += now.len();
        self.server.receive(now, trusted)
    }

    pub(super) fn retire(&mut self, retired: Retired, farewell: &[u8]) {
        self.output.extend_from_slice(farewell);
        self.retired = Some(retired);
    }

    pub(super) fn has_written_all(&self) -> bool {
        self.written == self.output.len()
    }

    /// As a driver hands it to `handle_closed`.
    pub(super) fn unwritten(&self) -> (&[u8], bool) {
        let first = first_unwritten(&self.output, self.written);
        (&self.output[first..], first < self.written)
    }

    /// Messages that are not wholly written, and whether the first is in part.
    pub(super) fn unwritten_messages(&self) -> (Vec<u64>, bool) {
        let (mut rest, partial) = self.unwritten();
        let mut numbers = Vec::new();
        let mut first_is_message = None;
        while let Some((op, length)) = ClientOp::decode(rest) {
            rest = &rest[length..];
            let payload = match op {
                ClientOp::Pub { payload, .. } | ClientOp::HPub { payload, .. } => Some(payload),
                _ => None,
            };
            first_is_message.get_or_insert(payload.is_some());
            numbers.extend(payload.and_then(number));
        }
        assert!(rest.is_empty(), "output is made of whole operations");
        (numbers, partial && first_is_message == Some(true))
    }
}
