//! A message as it came: one piece of bytes, and where its parts are.
//!
//! Nothing is decoded before it is asked for, and nothing is copied: the bytes
//! are a part of the block that the transport read into.

use std::sync::Arc;

use bytes::Bytes;

use super::frame::Frame;
use super::{HeaderBlock, Status};

/// A message of the server.
#[derive(Debug, Clone)]
pub struct Message {
    /// The messages that came together. One word, so that moving a message from
    /// hand to hand stays cheap.
    block: Arc<Bytes>,
    /// Where the subject begins in the block.
    start: u32,
    /// Where the payload ends.
    end: u32,
    parts: Parts,
}

/// Where the parts of a message are. The subject begins at 0, the payload goes to
/// the end. `u32` holds every offset, since the decoder bounds lines and messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parts {
    /// Where the subject ends.
    pub subject_end: u32,
    /// Where the reply subject begins.
    pub reply_start: u32,
    /// Where it ends; equal to its begin if there is none.
    pub reply_end: u32,
    /// Where the header block begins.
    pub headers_start: u32,
    /// Where it ends, and the payload begins.
    pub payload_start: u32,
}

impl Message {
    /// Puts a message together; for tests and for messages of the host's own.
    pub fn new(subject: &str, reply_to: Option<&str>, headers: &[u8], payload: &[u8]) -> Self {
        let reply_to = reply_to.unwrap_or_default();
        let bytes = [subject.as_bytes(), reply_to.as_bytes(), headers, payload].concat();
        let subject_end = offset(subject.len());
        let headers_start = offset(subject.len() + reply_to.len());
        let parts = Parts {
            subject_end,
            reply_start: subject_end,
            reply_end: headers_start,
            headers_start,
            payload_start: offset(subject.len() + reply_to.len() + headers.len()),
        };
        Self { start: 0, end: offset(bytes.len()), block: Arc::new(bytes.into()), parts }
    }

    #[inline]
    pub(super) fn from_wire(block: Arc<Bytes>, frame: &Frame) -> Self {
        Self { block, start: frame.start, end: frame.end, parts: frame.parts }
    }

    /// Where its parts lie in [`into_bytes`](Self::into_bytes).
    pub fn parts(&self) -> Parts {
        self.parts
    }

    /// All of it in one piece, with what stood between the parts.
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        self.part(0, self.end - self.start)
    }

    /// The same, without a copy, to be kept.
    pub fn into_bytes(self) -> Bytes {
        self.block.slice_ref(self.as_bytes())
    }

    /// Whether both came together: then one of them alone keeps all the memory
    /// alive that the other one lies in.
    #[inline]
    pub fn came_with(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.block, &other.block)
    }

    /// What it was published to.
    #[inline]
    pub fn subject(&self) -> &[u8] {
        self.part(0, self.parts.subject_end)
    }

    /// Where an answer is expected.
    #[inline]
    pub fn reply_to(&self) -> Option<&[u8]> {
        Some(self.part(self.parts.reply_start, self.parts.reply_end)).filter(|s| !s.is_empty())
    }

    /// The raw header block; empty if there is none.
    #[inline]
    pub fn header_block(&self) -> &[u8] {
        self.part(self.parts.headers_start, self.parts.payload_start)
    }

    /// The payload.
    #[inline]
    pub fn payload(&self) -> &[u8] {
        self.part(self.parts.payload_start, self.end - self.start)
    }

    /// The header block, to be read.
    pub fn headers(&self) -> HeaderBlock<'_> {
        HeaderBlock::new(self.header_block())
    }

    /// The status, if the message has one.
    #[inline]
    pub fn status(&self) -> Option<Status> {
        let block = self.header_block();
        if block.is_empty() { None } else { HeaderBlock::new(block).status() }
    }

    /// Subject, reply subject, headers and payload, in bytes.
    #[inline]
    pub fn size(&self) -> usize {
        let reply_to = self.parts.reply_end - self.parts.reply_start;
        (self.parts.subject_end + reply_to) as usize + self.body_size()
    }

    /// Headers and payload, in bytes.
    #[inline]
    pub fn body_size(&self) -> usize {
        (self.end - self.start - self.parts.headers_start) as usize
    }

    /// Copies the message out of the block that it came in, which lives as long
    /// as any message in it: for one that is kept.
    pub fn compact(&mut self) {
        self.block = Arc::new(Bytes::copy_from_slice(self.as_bytes()));
        self.end -= self.start;
        self.start = 0;
    }

    #[inline]
    fn part(&self, start: u32, end: u32) -> &[u8] {
        let range = (self.start + start) as usize..(self.start + end) as usize;
        self.block.get(range).unwrap_or_default()
    }
}

/// Equal parts make equal messages, whatever stands between them.
impl PartialEq for Message {
    fn eq(&self, other: &Self) -> bool {
        self.subject() == other.subject()
            && self.reply_to() == other.reply_to()
            && self.header_block() == other.header_block()
            && self.payload() == other.payload()
    }
}

impl Eq for Message {}

fn offset(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_small_and_gives_back_its_parts() {
        assert!(size_of::<Message>() <= 64);
        let block = b"NATS/1.0 503\r\n\r\n";
        let mut message = Message::new("a.b", Some("r"), block, b"payload");
        for _ in 0..2 {
            assert_eq!(message.subject(), b"a.b");
            assert_eq!(message.reply_to(), Some(b"r".as_slice()));
            assert_eq!(message.header_block(), block);
            assert_eq!(message.payload(), b"payload");
            assert_eq!(message.status().unwrap().code, 503);
            assert_eq!((message.size(), message.body_size()), (27, 23));
            message.compact();
        }
        let bare = Message::new("a", None, b"", b"");
        assert_eq!((bare.reply_to(), bare.status(), bare.size()), (None, None, 1));
    }
}
