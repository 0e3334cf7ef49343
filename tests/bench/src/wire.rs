//! A blocking socket that speaks just enough NATS: the load, and the rival that
//! shows what nobody can go below. It keeps no subscriptions and checks no rule.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    ops::Range,
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use memchr::memchr;

/// Room for what one read may bring.
const INPUT_BYTES: usize = 256 * 1024;

/// No answer takes this long unless something is broken.
const PATIENCE: Duration = Duration::from_secs(20);

/// The reading half.
pub(crate) struct Receiver {
    stream: TcpStream,
    input: Vec<u8>,
    ready: Range<usize>,
}

/// The writing half.
pub(crate) struct Sender {
    stream: TcpStream,
    queued: Vec<u8>,
}

/// One message as it lies in the input.
#[derive(Clone, Copy)]
pub(crate) struct Message<'a> {
    pub(crate) subject: &'a [u8],
    pub(crate) sid: &'a [u8],
    pub(crate) reply_to: Option<&'a [u8]>,
    /// The block as it came, empty where there is none.
    pub(crate) headers: &'a [u8],
    pub(crate) payload: &'a [u8],
}

/// Connects under a name and waits until the server has accepted.
pub(crate) fn connect(address: SocketAddr, name: &str) -> Result<(Receiver, Sender)> {
    let stream = TcpStream::connect(address).with_context(|| format!("connect to {address}"))?;
    stream.set_nodelay(true)?;
    let mut sender = Sender { stream: stream.try_clone()?, queued: Vec::new() };
    let mut receiver = Receiver { stream, input: vec![0; INPUT_BYTES], ready: 0..0 };
    let options = format!(
        r#"CONNECT {{"verbose":false,"pedantic":false,"headers":true,"name":"{name}","lang":"raw","version":"0"}}"#
    );
    sender.queue(format!("{options}\r\nPING\r\n").as_bytes());
    sender.flush()?;
    while !receiver.skip_line()?.starts_with(b"PONG") {}
    Ok((receiver, sender))
}

/// A message as a client sends it.
pub(crate) fn encode(subject: &str, reply_to: Option<&str>, payload: &[u8]) -> Vec<u8> {
    let mut message = Vec::new();
    put(&mut message, subject.as_bytes(), reply_to.map(str::as_bytes), payload);
    message
}

/// Writes a message behind what there is.
fn put(output: &mut Vec<u8>, subject: &[u8], reply_to: Option<&[u8]>, payload: &[u8]) {
    output.extend_from_slice(b"PUB ");
    output.extend_from_slice(subject);
    if let Some(reply_to) = reply_to {
        output.push(b' ');
        output.extend_from_slice(reply_to);
    }
    output.push(b' ');
    output.extend_from_slice(itoa::Buffer::new().format(payload.len()).as_bytes());
    output.extend_from_slice(b"\r\n");
    output.extend_from_slice(payload);
    output.extend_from_slice(b"\r\n");
}

/// The same with a block of headers, its first and last line included.
pub(crate) fn encode_with_headers(
    subject: &str,
    reply_to: Option<&str>,
    headers: &str,
    payload: &[u8],
) -> Vec<u8> {
    let reply_to = reply_to.map_or_else(String::new, |reply_to| format!("{reply_to} "));
    let (size, total) = (headers.len(), headers.len() + payload.len());
    let line = format!("HPUB {subject} {reply_to}{size} {total}\r\n");
    [line.as_bytes(), headers.as_bytes(), payload, b"\r\n"].concat()
}

impl Sender {
    /// Keeps bytes for the next flush.
    pub(crate) fn queue(&mut self, bytes: &[u8]) {
        self.queued.extend_from_slice(bytes);
    }

    /// Keeps a message for the next flush.
    pub(crate) fn publish(&mut self, subject: &[u8], reply_to: Option<&[u8]>, payload: &[u8]) {
        put(&mut self.queued, subject, reply_to, payload);
    }

    /// How many bytes are kept.
    pub(crate) fn queued(&self) -> usize {
        self.queued.len()
    }

    /// Writes what was kept.
    pub(crate) fn flush(&mut self) -> Result<()> {
        if !self.queued.is_empty() {
            self.stream.write_all(&self.queued).context("write")?;
            self.queued.clear();
        }
        Ok(())
    }

    /// Writes at once.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.stream.write_all(bytes).context("write")
    }
}

impl Receiver {
    /// Makes reads fail that take too long.
    pub(crate) fn lose_patience(&self) -> Result<()> {
        Ok(self.stream.set_read_timeout(Some(PATIENCE))?)
    }

    /// The next message. Before it waits for one, it writes what `sender` kept.
    pub(crate) fn next(&mut self, sender: &mut Sender) -> Result<Message<'_>> {
        let parts = loop {
            match Parts::find(self.input.get(self.ready.clone()).unwrap_or_default())? {
                Found::Message(parts) => break parts,
                Found::Other { length, is_ping } => {
                    self.ready.start += length;
                    if is_ping {
                        sender.queue(b"PONG\r\n");
                    }
                }
                Found::TooLittle => {
                    sender.flush()?;
                    self.fill()?;
                }
            }
        };
        let start = self.ready.start;
        self.ready.start += parts.length;
        let part = |range: Range<usize>| {
            self.input.get(start + range.start..start + range.end).unwrap_or_default()
        };
        Ok(Message {
            subject: part(parts.subject),
            sid: part(parts.sid),
            reply_to: parts.reply_to.map(part),
            headers: part(parts.headers),
            payload: part(parts.payload),
        })
    }

    fn skip_line(&mut self) -> Result<Vec<u8>> {
        loop {
            let ready = self.input.get(self.ready.clone()).unwrap_or_default();
            if let Some(end) = memchr(b'\n', ready) {
                self.ready.start += end + 1;
                let line = ready.get(..end).unwrap_or_default();
                ensure!(!line.starts_with(b"-ERR"), "{}", String::from_utf8_lossy(line));
                return Ok(line.to_vec());
            }
            self.fill()?;
        }
    }

    fn fill(&mut self) -> Result<()> {
        if self.ready.is_empty() {
            self.ready = 0..0;
        } else if self.ready.end == self.input.len() {
            self.input.copy_within(self.ready.clone(), 0);
            self.ready = 0..self.ready.len();
        }
        let room = self.input.get_mut(self.ready.end..).unwrap_or_default();
        ensure!(!room.is_empty(), "a message larger than {INPUT_BYTES} bytes");
        let count = self.stream.read(room).context("read")?;
        ensure!(count > 0, "the server closed the connection");
        self.ready.end += count;
        Ok(())
    }
}

enum Found {
    Message(Parts),
    Other { length: usize, is_ping: bool },
    TooLittle,
}

/// Where the parts of a message are, counted from its first byte.
struct Parts {
    subject: Range<usize>,
    sid: Range<usize>,
    reply_to: Option<Range<usize>>,
    headers: Range<usize>,
    payload: Range<usize>,
    length: usize,
}

impl Parts {
    fn find(ready: &[u8]) -> Result<Found> {
        let Some(end) = memchr(b'\n', ready) else { return Ok(Found::TooLittle) };
        let line = ready.get(..end).unwrap_or_default();
        let has_headers = line.starts_with(b"HMSG ");
        if !has_headers && !line.starts_with(b"MSG ") {
            ensure!(!line.starts_with(b"-ERR"), "{}", String::from_utf8_lossy(line));
            return Ok(Found::Other { length: end + 1, is_ping: line.starts_with(b"PING") });
        }
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let mut words = [0..0, 0..0, 0..0, 0..0, 0..0];
        let (mut start, mut count) = (if has_headers { 5 } else { 4 }, 0);
        for word in &mut words {
            let rest = line.get(start..).unwrap_or_default();
            if rest.is_empty() {
                break;
            }
            *word = start..start + memchr(b' ', rest).unwrap_or(rest.len());
            start = word.end + 1;
            count += 1;
        }
        let [subject, sid, words @ ..] = words;
        let (reply_to, headers, total) = match (has_headers, count, words) {
            (false, 3, [total, ..]) => (None, 0..0, total),
            (false, 4, [reply_to, total, _]) => (Some(reply_to), 0..0, total),
            (true, 4, [headers, total, _]) => (None, headers, total),
            (true, 5, [reply_to, headers, total]) => (Some(reply_to), headers, total),
            _ => bail!("no message: {}", String::from_utf8_lossy(line)),
        };
        let size = |digits| number(line.get(digits).unwrap_or_default());
        let headers = end + 1..end + 1 + if has_headers { size(headers)? } else { 0 };
        let payload = headers.end..end + 1 + size(total)?;
        let length = payload.end + b"\r\n".len();
        if ready.len() < length {
            return Ok(Found::TooLittle);
        }
        Ok(Found::Message(Self { subject, sid, reply_to, headers, payload, length }))
    }
}

fn number(digits: &[u8]) -> Result<usize> {
    let text = str::from_utf8(digits)?;
    text.parse().with_context(|| format!("no size: {text}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(ready: &[u8]) -> Option<Parts> {
        match Parts::find(ready).unwrap() {
            Found::Message(parts) => Some(parts),
            _ => None,
        }
    }

    #[test]
    fn message_is_found_once_it_is_complete() {
        let input = b"MSG a.b 7 3\r\nxyz\r\nMSG";
        let parts = find(input).unwrap();
        assert_eq!((&input[parts.subject], &input[parts.sid]), (&b"a.b"[..], &b"7"[..]));
        assert_eq!(&input[parts.payload], b"xyz");
        assert_eq!((parts.reply_to, parts.length), (None, 18));
        assert!(find(&input[..17]).is_none());
    }

    #[test]
    fn third_of_four_words_is_the_reply_to() {
        let input = b"MSG a 7 r.1 0\r\n\r\n";
        let parts = find(input).unwrap();
        assert_eq!(&input[parts.reply_to.unwrap()], b"r.1");
        assert!(parts.payload.is_empty());
    }

    #[test]
    fn headers_come_before_the_payload() {
        let input = b"HMSG a 7 r.1 16 19\r\nNATS/1.0\r\nA:\r\n\r\nxyz\r\n";
        let parts = find(input).unwrap();
        assert_eq!(&input[parts.headers], b"NATS/1.0\r\nA:\r\n\r\n");
        assert_eq!((&input[parts.payload], parts.length), (&b"xyz"[..], input.len()));
    }

    #[test]
    fn refusal_of_the_server_is_an_error() {
        assert!(Parts::find(b"-ERR 'Slow Consumer'\r\n").is_err());
    }
}
