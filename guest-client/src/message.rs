//! A received message: one piece of memory and where its parts lie. Nothing is
//! taken apart before it is asked for.

use std::fmt;
use std::sync::Arc;

use crate::bindings::simple_nats::client::packed_inbox::PackedMessage;
use crate::bindings::simple_nats::client::types;
use crate::headers::{self, HeaderBlock};
use crate::{Error, Headers, NatsClient, PublishOptions, Sid, Status, outbox};

/// A message as it was published.
///
/// ```no_run
/// # fn on_message(message: simple_nats_guest::Message) -> Result<(), simple_nats_guest::Error> {
/// println!("{} bytes on {}", message.payload().len(), message.subject());
/// if message.reply_to().is_some() {
///     message.respond("thank you")?;
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Message {
    /// What it lies in, with others perhaps.
    memory: Arc<Vec<u8>>,
    start: usize,
    end: usize,
    client: u32,
    sid: u64,
    parts: Parts,
}

/// Where the parts of a message lie, counted from its first byte, where the
/// subject begins. The payload goes on to the end.
#[derive(Clone, Copy)]
struct Parts {
    subject_length: u32,
    reply_to_offset: u32,
    reply_to_length: u32,
    headers_offset: u32,
    headers_length: u32,
    payload_offset: u32,
}

impl Message {
    /// The subject it was published to, never a pattern. If a publisher used
    /// bytes that are not UTF-8, what comes before them.
    #[must_use]
    pub fn subject(&self) -> &str {
        text(self.part(0, self.parts.subject_length))
    }

    /// The content.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        self.bytes().get(self.parts.payload_offset as usize..).unwrap_or_default()
    }

    /// Where an answer is expected, if one is.
    #[must_use]
    pub fn reply_to(&self) -> Option<&str> {
        let reply_to = self.reply_to_bytes();
        (!reply_to.is_empty()).then(|| text(reply_to))
    }

    /// The first value of a header, if there is one and it is text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self.header_block().fields().find(|(other, _)| *other == name)?;
        str::from_utf8(value).ok()
    }

    /// All header fields, copied.
    #[must_use]
    pub fn headers(&self) -> Headers {
        self.header_block().fields().collect()
    }

    /// The status, if the server or a service sent one in place of an answer.
    #[must_use]
    pub fn status(&self) -> Option<Status> {
        self.header_block().status()
    }

    /// The subscription it was delivered for; 0 for an answer to a request.
    #[must_use]
    pub fn sid(&self) -> Sid {
        Sid(self.sid)
    }

    /// The connection it came through.
    #[must_use]
    pub fn client(&self) -> NatsClient {
        NatsClient::from_id(self.client)
    }

    /// Publishes to the message's reply-to.
    pub fn respond(&self, payload: impl AsRef<[u8]>) -> Result<(), Error> {
        let payload = payload.as_ref();
        let reply_to = self.reply_to_bytes();
        if !reply_to.is_empty() && outbox::answer(self.memory(), self.client, reply_to, payload) {
            return Ok(());
        }
        self.client().call_publish(self.expected_reply_to()?, payload)
    }

    /// Publishes to the message's reply-to, with headers.
    pub fn respond_with(&self, headers: Headers, payload: impl AsRef<[u8]>) -> Result<(), Error> {
        let options = PublishOptions::new().headers(headers);
        self.client().publish_with(self.expected_reply_to()?, payload, &options)
    }

    /// The payload read as JSON.
    #[cfg(feature = "serde_json")]
    pub fn json<'a, T: serde::Deserialize<'a>>(&'a self) -> Result<T, Error> {
        Ok(serde_json::from_slice(self.payload())?)
    }

    /// Publishes a value as JSON to the message's reply-to.
    #[cfg(feature = "serde_json")]
    pub fn respond_json<T: serde::Serialize + ?Sized>(&self, value: &T) -> Result<(), Error> {
        self.respond(serde_json::to_vec(value)?)
    }

    /// What it lies in, to be compared.
    pub(crate) fn memory(&self) -> *const Vec<u8> {
        Arc::as_ptr(&self.memory)
    }

    pub(crate) fn new(packed: PackedMessage) -> Self {
        let PackedMessage { client, sid, data, .. } = packed;
        let parts = Parts {
            subject_length: packed.subject_length,
            reply_to_offset: packed.reply_to_offset,
            reply_to_length: packed.reply_to_length,
            headers_offset: packed.headers_offset,
            headers_length: packed.headers_length,
            payload_offset: packed.payload_offset,
        };
        Self { start: 0, end: data.len(), memory: Arc::new(data), client, sid, parts }
    }

    /// The message that begins at `at` in several that came together; moves `at`
    /// to the next one.
    pub(crate) fn next_of(memory: &Arc<Vec<u8>>, at: &mut usize) -> Option<Self> {
        let (head, _) = memory.get(*at..)?.split_first_chunk::<HEAD_BYTES>()?;
        let start = *at + HEAD_BYTES;
        let end = start.checked_add(number(head, 4) as usize)?;
        *at = end;
        let parts = Parts {
            subject_length: number(head, 16),
            reply_to_offset: number(head, 20),
            reply_to_length: number(head, 24),
            headers_offset: number(head, 28),
            headers_length: number(head, 32),
            payload_offset: number(head, 36),
        };
        let sid = u64::from(number(head, 8)) | u64::from(number(head, 12)) << 32;
        Some(Self { memory: Arc::clone(memory), start, end, client: number(head, 0), sid, parts })
    }

    /// The same in memory of its own.
    pub(crate) fn detached(self) -> Self {
        let memory = Arc::new(self.bytes().to_vec());
        Self { start: 0, end: memory.len(), memory, ..self }
    }

    fn bytes(&self) -> &[u8] {
        self.memory.get(self.start..self.end).unwrap_or_default()
    }

    /// Empty, if no answer is expected.
    fn reply_to_bytes(&self) -> &[u8] {
        self.part(self.parts.reply_to_offset, self.parts.reply_to_length)
    }

    fn expected_reply_to(&self) -> Result<&str, Error> {
        self.reply_to().ok_or_else(|| Error::NoReplyTo(self.subject().to_owned()))
    }

    fn header_block(&self) -> HeaderBlock<'_> {
        HeaderBlock(self.part(self.parts.headers_offset, self.parts.headers_length))
    }

    fn part(&self, offset: u32, length: u32) -> &[u8] {
        let rest = self.bytes().get(offset as usize..);
        rest.and_then(|rest| rest.get(..length as usize)).unwrap_or_default()
    }
}

impl From<types::Message> for Message {
    /// Packs what came in parts, so that there is one way to read a message.
    fn from(message: types::Message) -> Self {
        let reply_to = message.reply_to.unwrap_or_default();
        let mut data = message.subject.into_bytes();
        let subject_length = length(&data);
        data.extend_from_slice(reply_to.as_bytes());
        let headers_offset = length(&data);
        headers::encode(&mut data, message.status.as_ref(), &message.headers);
        let payload_offset = length(&data);
        data.extend_from_slice(&message.payload);
        Self::new(PackedMessage {
            client: message.client,
            sid: message.sid,
            subject_length,
            reply_to_offset: subject_length,
            reply_to_length: headers_offset.saturating_sub(subject_length),
            headers_offset,
            headers_length: payload_offset.saturating_sub(headers_offset),
            payload_offset,
            data,
        })
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message")
            .field("sid", &self.sid())
            .field("subject", &self.subject())
            .field("reply_to", &self.reply_to())
            .field("headers", &self.headers())
            .field("status", &self.status())
            .field("payload_bytes", &self.payload().len())
            .finish()
    }
}

/// What goes before each of several messages that come together.
const HEAD_BYTES: usize = 40;

/// A number of four bytes in it.
fn number(head: &[u8; HEAD_BYTES], offset: usize) -> u32 {
    let bytes = head.get(offset..).and_then(|rest| rest.first_chunk());
    bytes.map_or(0, |bytes| u32::from_le_bytes(*bytes))
}

fn text(bytes: &[u8]) -> &str {
    str::from_utf8(bytes)
        .unwrap_or_else(|_| bytes.utf8_chunks().next().map_or("", |chunk| chunk.valid()))
}

/// Memory of a guest ends at 4 GiB, so nothing is cut off there.
fn length(data: &[u8]) -> u32 {
    u32::try_from(data.len()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packed(data: &[u8]) -> PackedMessage {
        PackedMessage {
            client: 1,
            sid: 2,
            subject_length: 3,
            reply_to_offset: 4,
            reply_to_length: 0,
            headers_offset: 4,
            headers_length: 0,
            payload_offset: 5,
            data: data.to_vec(),
        }
    }

    #[test]
    fn typed_message_reads_back_in_every_part() {
        let message = Message::from(types::Message {
            client: 3,
            sid: 4,
            subject: "a.b".into(),
            reply_to: Some("inbox.1".into()),
            headers: vec![types::Header { name: "Key".into(), value: b"value".to_vec() }],
            status: Some(types::Status { code: 408, description: String::new() }),
            payload: b"content".to_vec(),
        });
        assert_eq!(message.subject(), "a.b");
        assert_eq!(message.reply_to(), Some("inbox.1"));
        assert_eq!(message.header("Key"), Some("value"));
        assert_eq!(message.header("key"), None);
        assert_eq!(message.status().unwrap().code, 408);
        assert_eq!(message.payload(), b"content");
        assert_eq!(message.sid(), Sid(4));
    }

    #[test]
    fn message_without_extras_has_none() {
        let message = Message::new(packed(b"a.b 5"));
        assert_eq!((message.subject(), message.payload()), ("a.b", &b""[..]));
        assert_eq!((message.reply_to(), message.status()), (None, None));
        assert!(message.headers().is_empty());
        assert_eq!(message.respond("x"), Err(Error::NoReplyTo("a.b".into())));
    }

    #[test]
    fn offsets_past_the_end_give_empty_parts() {
        let message = Message::new(PackedMessage {
            subject_length: u32::MAX,
            reply_to_offset: u32::MAX,
            reply_to_length: u32::MAX,
            payload_offset: 99,
            ..packed(b"a.b")
        });
        assert_eq!((message.subject(), message.payload()), ("", &b""[..]));
        assert_eq!(message.reply_to(), None);
    }

    #[test]
    fn messages_that_came_together_are_read_one_by_one() {
        let mut memory = Vec::new();
        for (sid, data) in [(7_u64, &b"a.b r x"[..]), (u64::MAX, &b"c.d r "[..])] {
            let numbers = [3, 4, 1, 6, 0, 6];
            memory.extend_from_slice(&5_u32.to_le_bytes());
            memory.extend_from_slice(&length(data).to_le_bytes());
            memory.extend_from_slice(&sid.to_le_bytes());
            memory.extend(numbers.into_iter().flat_map(u32::to_le_bytes));
            memory.extend_from_slice(data);
        }
        memory.extend_from_slice(b"less than a head");
        let (memory, mut at) = (Arc::new(memory), 0);
        let first = Message::next_of(&memory, &mut at).unwrap().detached();
        let second = Message::next_of(&memory, &mut at).unwrap();
        assert!(Message::next_of(&memory, &mut at).is_none());
        assert_eq!((first.subject(), first.payload(), first.sid()), ("a.b", &b"x"[..], Sid(7)));
        assert_eq!((second.subject(), second.payload()), ("c.d", &b""[..]));
        assert_eq!((second.sid(), second.reply_to()), (Sid(u64::MAX), Some("r")));
        assert_eq!(first.client(), NatsClient::from_id(5));
        assert_eq!(Arc::strong_count(&memory), 2);
    }

    #[test]
    fn subject_ends_before_bytes_that_are_not_text() {
        assert_eq!(Message::new(packed(b"ab\xff  x")).subject(), "ab");
    }
}
