//! Header blocks: read as they come, written as they must be.
//!
//! Reading never fails, since a strange header is no reason to lose a message;
//! writing checks everything. Names keep their case, repeats and order are kept,
//! and no name has a meaning here.

use memchr::{memchr, memchr2};

use super::error::{HeaderError, quote};

/// The most fields of one message. A bound on the work that a receiver has with
/// them; their size is bounded as part of the message.
pub const MAX_HEADER_FIELDS: usize = 1_024;

const VERSION: &[u8] = b"NATS/1.0";

/// The status that stands in place of an answer, such as 503 for no responders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// Three digits.
    pub code: u16,
    /// Often empty.
    pub description: String,
}

/// The header block of a message as it came; empty if it has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeaderBlock<'a>(&'a [u8]);

impl<'a> HeaderBlock<'a> {
    /// Any bytes: what makes no sense is passed over.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The status of the first line.
    pub fn status(&self) -> Option<Status> {
        let (line, _) = split_line(self.0);
        let rest = line.strip_prefix(VERSION)?.trim_ascii_start();
        let (digits, description) = rest.split_at_checked(3)?;
        if !digits.iter().all(u8::is_ascii_digit) {
            return None;
        }
        Some(Status {
            code: digits.iter().fold(0, |code, digit| code * 10 + u16::from(digit - b'0')),
            description: String::from_utf8_lossy(description.trim_ascii()).into_owned(),
        })
    }

    /// Names and values in their order; spaces around a value are not part of it.
    pub fn fields(&self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> + use<'a> {
        let (_, mut rest) = split_line(self.0);
        std::iter::from_fn(move || {
            loop {
                let (line, after) = split_line(rest);
                if line.is_empty() {
                    return None;
                }
                rest = after;
                match memchr(b':', line).and_then(|colon| line.split_at_checked(colon)) {
                    Some((name, value)) if !name.is_empty() => {
                        let value = value.strip_prefix(b":").unwrap_or(value);
                        return Some((name, trim(value)));
                    }
                    _ => {}
                }
            }
        })
    }
}

/// The first line without its end, and what follows it.
fn split_line(bytes: &[u8]) -> (&[u8], &[u8]) {
    let (line, rest) = match memchr(b'\n', bytes).and_then(|at| bytes.split_at_checked(at)) {
        Some((line, rest)) => (line, rest.strip_prefix(b"\n").unwrap_or(rest)),
        None => (bytes, [].as_slice()),
    };
    (line.strip_suffix(b"\r").unwrap_or(line), rest)
}

/// Other white space than this is part of the value, which may be binary.
fn trim(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

/// Checks that a field can be sent.
pub fn check_header(name: &str, value: &[u8]) -> Result<(), HeaderError> {
    if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_graphic() && byte != b':') {
        return Err(HeaderError::Name(quote(name.as_bytes())));
    }
    if memchr2(b'\r', b'\n', value).is_some() {
        return Err(HeaderError::Value(quote(name.as_bytes())));
    }
    Ok(())
}

/// A header block that is being written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Headers {
    /// Empty, or a whole block with the empty line that ends it.
    bytes: Vec<u8>,
    fields: usize,
}

impl Headers {
    /// No fields.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a field behind those there are.
    pub fn push(&mut self, name: &str, value: &[u8]) -> Result<(), HeaderError> {
        check_header(name, value)?;
        if self.fields == MAX_HEADER_FIELDS {
            return Err(HeaderError::TooMany { limit: MAX_HEADER_FIELDS });
        }
        let value = trim(value);
        self.bytes.reserve(VERSION.len() + name.len() + value.len() + 8);
        if self.bytes.is_empty() {
            self.bytes.extend_from_slice(VERSION);
            self.bytes.extend_from_slice(b"\r\n");
        } else {
            self.bytes.truncate(self.bytes.len().saturating_sub(2));
        }
        self.bytes.extend_from_slice(name.as_bytes());
        self.bytes.extend_from_slice(b": ");
        self.bytes.extend_from_slice(value);
        self.bytes.extend_from_slice(b"\r\n\r\n");
        self.fields += 1;
        Ok(())
    }

    /// Whether there are no fields.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The whole block; nothing if there are no fields.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(block: &[u8]) -> Vec<(&[u8], &[u8])> {
        HeaderBlock::new(block).fields().collect()
    }

    fn status(block: &[u8]) -> Option<(u16, String)> {
        HeaderBlock::new(block).status().map(|status| (status.code, status.description))
    }

    #[test]
    fn case_order_repeats_and_bytes_are_kept() {
        let mut headers = Headers::new();
        assert!(headers.is_empty() && headers.as_bytes().is_empty());
        let written: [(&str, &[u8]); 4] =
            [("a-B", b"1"), ("A-b", b"x: y"), ("a-B", b"\xff\x00"), ("E", b"")];
        for (name, value) in written {
            headers.push(name, value).unwrap();
        }
        assert_eq!(
            headers.as_bytes(),
            b"NATS/1.0\r\na-B: 1\r\nA-b: x: y\r\na-B: \xff\x00\r\nE: \r\n\r\n"
        );
        let expected = written.map(|(name, value)| (name.as_bytes(), value));
        assert_eq!(fields(headers.as_bytes()), expected);
        assert_eq!(status(headers.as_bytes()), None);
    }

    #[test]
    fn status_lines_are_read() {
        assert_eq!(status(b"NATS/1.0 503\r\n\r\n"), Some((503, String::new())));
        let with_subject = b"NATS/1.0 503\r\nNats-Subject: a\r\n\r\n";
        assert_eq!(status(with_subject), Some((503, String::new())));
        assert_eq!(fields(with_subject), [(b"Nats-Subject".as_slice(), b"a".as_slice())]);
        assert_eq!(
            status(b"NATS/1.0 100 Idle Heartbeat\r\n\r\n"),
            Some((100, "Idle Heartbeat".into()))
        );
        assert_eq!(status(b"NATS/1.0   404   No Messages  \r\n\r\n").unwrap().1, "No Messages");
        for none in [
            b"NATS/1.0\r\n\r\n".as_slice(),
            b"NATS/1.0 5x3\r\n",
            b"",
            b"HTTP/1.1 200",
            b"NATS/1.0 50",
        ] {
            assert_eq!(status(none), None);
        }
    }

    #[test]
    fn garbage_is_passed_over() {
        let block = b"NATS/1.0\r\n: nameless\r\nno colon\r\nk:\t v \t\nlast: 1";
        assert_eq!(
            fields(block),
            [(b"k".as_slice(), b"v".as_slice()), (b"last".as_slice(), b"1".as_slice())]
        );
        assert!(fields(b"NATS/1.0\r\n\r\nbehind: end\r\n").is_empty());
        assert!(fields(b"").is_empty());
    }

    #[test]
    fn fields_that_would_break_the_block_are_refused() {
        for name in ["", "a:", "a b", "ä", "a\r", "\u{7f}"] {
            assert!(matches!(check_header(name, b""), Err(HeaderError::Name(_))), "{name:?}");
        }
        for value in [b"a\r".as_slice(), b"\n", b"a\r\nb: c"] {
            assert!(matches!(check_header("a", value), Err(HeaderError::Value(_))));
        }
        let mut headers = Headers::new();
        for _ in 0..MAX_HEADER_FIELDS {
            headers.push("a", b"").unwrap();
        }
        assert_eq!(headers.push("a", b""), Err(HeaderError::TooMany { limit: MAX_HEADER_FIELDS }));
    }
}
