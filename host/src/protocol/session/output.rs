//! What a session has to write: in the handshake, and once it is connected.

use crate::protocol::{ClientOp, first_unwritten};

/// A buffer larger than this is not kept while there is nothing to write.
pub const KEPT_OUTPUT: usize = 16 * 1024;

/// Two buffers, since the one for a connected server fills while there is none.
/// Without a server it holds messages and nothing else.
#[derive(Debug, Default)]
pub(super) struct Output {
    buffer: Vec<u8>,
    handshake: Vec<u8>,
    /// The begin of the handshake has been taken.
    introduced: bool,
    /// Messages that were added while there was no server.
    waiting_messages: usize,
}

impl Output {
    #[inline]
    pub(super) fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.buffer
    }

    pub(super) fn handshake(&mut self) -> &mut Vec<u8> {
        &mut self.handshake
    }

    #[inline]
    pub(super) fn len(&self) -> usize {
        self.buffer.len() + self.handshake.len()
    }

    pub(super) fn waiting_messages(&self) -> usize {
        self.waiting_messages
    }

    pub(super) fn count_waiting_message(&mut self) {
        self.waiting_messages += 1;
    }

    pub(super) fn take(&mut self, into: &mut Vec<u8>) -> bool {
        if self.buffer.is_empty() && self.buffer.capacity() > KEPT_OUTPUT {
            self.buffer = Vec::new();
        }
        move_bytes(&mut self.buffer, into)
    }

    /// Takes whole operations of so many bytes at the most, or all if the first has more.
    pub(super) fn take_part(&mut self, most: usize, into: &mut Vec<u8>) -> bool {
        let end = if self.buffer.len() > most { first_unwritten(&self.buffer, most) } else { 0 };
        if end == 0 {
            return self.take(into);
        }
        let rest = self.buffer.split_off(end);
        self.take(into);
        self.buffer = rest;
        true
    }

    pub(super) fn take_handshake(&mut self, into: &mut Vec<u8>) -> bool {
        self.introduced = true;
        move_bytes(&mut self.handshake, into)
    }

    /// Whether the server can have seen the begin of the handshake.
    pub(super) fn has_introduced(&self) -> bool {
        self.introduced
    }

    pub(super) fn leave_handshake(&mut self) {
        self.handshake = Vec::new();
        self.introduced = false;
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// There is a server: what `first` writes goes ahead of what waits.
    pub(super) fn enter_connected(&mut self, first: impl FnOnce(&mut Vec<u8>)) {
        let waiting = std::mem::take(&mut self.buffer);
        first(&mut self.buffer);
        if self.buffer.is_empty() {
            self.buffer = waiting;
        } else {
            self.buffer.extend_from_slice(&waiting);
        }
        self.waiting_messages = 0;
        self.leave_handshake();
    }

    /// The server is gone: of `unwritten` and what is here, only whole messages
    /// stay. The rest is written anew, or not at all.
    pub(super) fn keep_messages(&mut self, unwritten: &[u8], partially_written: bool) {
        let written = std::mem::take(&mut self.buffer);
        self.waiting_messages = 0;
        let cut = usize::from(partially_written);
        for (op, bytes) in Ops(unwritten).skip(cut).chain(Ops(&written)) {
            if matches!(op, ClientOp::Pub { .. } | ClientOp::HPub { .. }) {
                self.buffer.extend_from_slice(bytes);
                self.waiting_messages += 1;
            }
        }
    }

    /// Where the messages that wait want their answers.
    pub(super) fn reply_subjects(&self) -> impl Iterator<Item = &[u8]> {
        let messages = Ops(&self.buffer).filter_map(|(op, _)| Waiting::of(&op));
        messages.filter_map(|message| message.reply_to).map(str::as_bytes)
    }

    /// Takes away the messages that are not to be kept. There is no server.
    pub(super) fn retain_messages(&mut self, mut keep: impl FnMut(Waiting<'_>) -> bool) {
        let waiting = std::mem::take(&mut self.buffer);
        self.waiting_messages = 0;
        for (op, bytes) in Ops(&waiting) {
            if Waiting::of(&op).is_some_and(&mut keep) {
                self.buffer.extend_from_slice(bytes);
                self.waiting_messages += 1;
            }
        }
    }
}

/// A message that waits to be sent.
#[derive(Debug, Clone, Copy)]
pub(super) struct Waiting<'a> {
    pub(super) subject: &'a str,
    pub(super) reply_to: Option<&'a str>,
    pub(super) has_headers: bool,
    /// Headers and payload, in bytes.
    pub(super) size: u64,
}

impl<'a> Waiting<'a> {
    fn of(op: &ClientOp<'a>) -> Option<Self> {
        match *op {
            ClientOp::Pub { subject, reply_to, payload } => {
                Some(Self { subject, reply_to, has_headers: false, size: payload.len() as u64 })
            }
            ClientOp::HPub { subject, reply_to, headers, payload } => {
                let size = headers.len() as u64 + payload.len() as u64;
                Some(Self { subject, reply_to, has_headers: true, size })
            }
            _ => None,
        }
    }
}

/// The whole operations of a buffer, with their bytes.
struct Ops<'a>(&'a [u8]);

impl<'a> Iterator for Ops<'a> {
    type Item = (ClientOp<'a>, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (op, length) = ClientOp::decode(self.0)?;
        let (bytes, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some((op, bytes))
    }
}

fn move_bytes(from: &mut Vec<u8>, into: &mut Vec<u8>) -> bool {
    let any = !from.is_empty();
    if into.is_empty() {
        std::mem::swap(from, into);
    } else {
        into.append(from);
    }
    any
}
