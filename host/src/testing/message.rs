//! Messages as tests write and read them.

use std::fmt;

use crate::protocol::{self, Headers, Subject};

/// A message to deliver to a plugin, or one that it published.
#[derive(Clone, PartialEq, Eq)]
pub struct Message {
    subject: String,
    reply_to: Option<String>,
    headers: Vec<(String, Vec<u8>)>,
    payload: Vec<u8>,
}

impl Message {
    /// An empty message to this subject.
    pub fn new(subject: impl Into<String>) -> Self {
        Self { subject: subject.into(), reply_to: None, headers: Vec::new(), payload: Vec::new() }
    }

    /// With this payload.
    #[must_use]
    pub fn with_payload(mut self, payload: impl AsRef<[u8]>) -> Self {
        self.payload = payload.as_ref().to_vec();
        self
    }

    /// With a subject for the answer.
    #[must_use]
    pub fn with_reply_to(mut self, subject: impl Into<String>) -> Self {
        self.reply_to = Some(subject.into());
        self
    }

    /// With one more header.
    #[must_use]
    pub fn with_header(mut self, name: impl Into<String>, value: impl AsRef<[u8]>) -> Self {
        self.headers.push((name.into(), value.as_ref().to_vec()));
        self
    }

    /// What it was published to.
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// Where an answer is expected.
    pub fn reply_to(&self) -> Option<&str> {
        self.reply_to.as_deref()
    }

    /// Names and values, in their order.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.headers.iter().map(|(name, value)| (name.as_str(), value.as_slice()))
    }

    /// The value of the first header of this name. Case counts.
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        self.headers().find(|(known, _)| *known == name).map(|(_, value)| value)
    }

    /// The payload.
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// The payload as text; what is none of it is replaced.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.payload).into_owned()
    }

    /// The message as the protocol has it.
    ///
    /// # Errors
    /// With what can't be sent.
    pub(super) fn encode(&self) -> Result<protocol::Message, String> {
        let subject = Subject::new(&self.subject).map_err(|error| error.to_string())?;
        let reply_to = self.reply_to.as_deref().map(Subject::new);
        let reply_to = reply_to.transpose().map_err(|error| error.to_string())?;
        let mut headers = Headers::new();
        for (name, value) in &self.headers {
            headers.push(name, value).map_err(|error| error.to_string())?;
        }
        let reply_to = reply_to.map(|subject| subject.as_str());
        let (subject, headers) = (subject.as_str(), headers.as_bytes());
        Ok(protocol::Message::new(subject, reply_to, headers, &self.payload))
    }
}

impl From<&protocol::Message> for Message {
    fn from(message: &protocol::Message) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let fields = message.headers().fields();
        Self {
            subject: text(message.subject()),
            reply_to: message.reply_to().map(text),
            headers: fields.map(|(name, value)| (text(name), value.to_vec())).collect(),
            payload: message.payload().to_vec(),
        }
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// On one line, as failed expectations show it.
impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`: \"{}\"", self.subject, Excerpt(&self.payload))?;
        for (name, value) in &self.headers {
            write!(f, ", {name}: {}", Excerpt(value))?;
        }
        match &self.reply_to {
            Some(reply_to) => write!(f, ", answers to `{reply_to}`"),
            None => Ok(()),
        }
    }
}

/// The beginning of what may be long, or no text.
pub(super) struct Excerpt<'a>(pub(super) &'a [u8]);

impl fmt::Display for Excerpt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const MAX_BYTES: usize = 400;
        let shown = self.0.get(..MAX_BYTES).unwrap_or(self.0);
        match std::str::from_utf8(shown) {
            Ok(text) => write!(f, "{}", text.escape_debug())?,
            Err(_) => write!(f, "{}", shown.escape_ascii())?,
        }
        match self.0.len() - shown.len() {
            0 => Ok(()),
            more => write!(f, "… and {more} bytes more"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn message_survives_the_protocol() {
        let message = Message::new("a.b")
            .with_payload([0, 255])
            .with_reply_to("r")
            .with_header("X", "1")
            .with_header("X", "2");
        let encoded = message.encode().unwrap();
        assert_eq!(Message::from(&encoded), message);
        assert_eq!(message.header("X"), Some(b"1".as_slice()));
    }

    #[test]
    fn what_can_not_be_sent_is_named() {
        let error = |message: Message| message.encode().err().unwrap();
        assert!(error(Message::new("a b")).contains("a b"));
        assert!(error(Message::new("a").with_reply_to("b.*")).contains("b.*"));
        assert!(error(Message::new("a").with_header("c:", "")).contains("c:"));
    }

    #[test]
    fn long_and_binary_payloads_are_shown_in_part() {
        let shown = Message::new("a").with_payload(vec![b'x'; 1_000]).to_string();
        assert!(shown.contains("xxx… and 600 bytes more"), "{shown}");
        assert_eq!(Message::new("a").with_payload(b"\xff\n").to_string(), "`a`: \"\\xff\\n\"");
    }
}
