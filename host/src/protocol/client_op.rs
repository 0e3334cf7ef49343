//! What a client sends, as values.
//!
//! The session writes with [`encode`] directly; this reads the
//! same bytes back, to learn which messages a broken connection has not taken.

use super::encode;

/// One operation of a client.
#[expect(missing_docs, reason = "the fields are the arguments of the protocol")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientOp<'a> {
    /// It tells of itself, in JSON.
    Connect(&'a [u8]),
    /// A message.
    Pub { subject: &'a str, reply_to: Option<&'a str>, payload: &'a [u8] },
    /// A message with a header block.
    HPub { subject: &'a str, reply_to: Option<&'a str>, headers: &'a [u8], payload: &'a [u8] },
    /// It wants the messages of a subject.
    Sub { subject: &'a str, queue_group: Option<&'a str>, sid: u64 },
    /// It wants no more of them, or no more than so many.
    Unsub { sid: u64, max: Option<u64> },
    /// It wants a PONG.
    Ping,
    /// It answers a PING.
    Pong,
}

impl<'a> ClientOp<'a> {
    /// Reads the first operation, and tells its length. None: `input` does not
    /// begin with a whole one, as the encoder writes it.
    pub fn decode(input: &'a [u8]) -> Option<(Self, usize)> {
        let end = memchr::memchr(b'\n', input)?;
        let line = std::str::from_utf8(input.get(..end)?.strip_suffix(b"\r")?).ok()?;
        let body = end + 1;
        let (word, arguments) = line.split_once(' ').unwrap_or((line, ""));
        if word == "CONNECT" {
            return Some((Self::Connect(arguments.as_bytes()), body));
        }
        let mut arguments = arguments.split(' ').filter(|argument| !argument.is_empty());
        let mut next = || arguments.next();
        let op = match (word, next(), next(), next(), next()) {
            ("PING", None, ..) => Self::Ping,
            ("PONG", None, ..) => Self::Pong,
            ("SUB", Some(subject), Some(sid), None, _) => {
                Self::Sub { subject, queue_group: None, sid: sid.parse().ok()? }
            }
            ("SUB", Some(subject), Some(group), Some(sid), None) => {
                Self::Sub { subject, queue_group: Some(group), sid: sid.parse().ok()? }
            }
            ("UNSUB", Some(sid), None, ..) => Self::Unsub { sid: sid.parse().ok()?, max: None },
            ("UNSUB", Some(sid), Some(max), None, _) => {
                Self::Unsub { sid: sid.parse().ok()?, max: Some(max.parse().ok()?) }
            }
            ("PUB", Some(subject), Some(a), b, None) => {
                let (reply_to, total) = b.map_or((None, a), |b| (Some(a), b));
                let Body { payload, end, .. } = Body::read(input, body, "0", total)?;
                return Some((Self::Pub { subject, reply_to, payload }, end));
            }
            ("HPUB", Some(subject), Some(a), Some(b), c) => {
                let (reply_to, headers, total) = c.map_or((None, a, b), |c| (Some(a), b, c));
                let Body { headers, payload, end } = Body::read(input, body, headers, total)?;
                return Some((Self::HPub { subject, reply_to, headers, payload }, end));
            }
            _ => return None,
        };
        Some((op, body))
    }

    /// Writes the operation behind what `out` has.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match *self {
            Self::Connect(json) => encode::connect(out, json),
            Self::Pub { subject, reply_to, payload } => {
                encode::publish(out, subject, reply_to, &[], payload);
            }
            Self::HPub { subject, reply_to, headers, payload } => {
                encode::publish(out, subject, reply_to, headers, payload);
            }
            Self::Sub { subject, queue_group, sid } => {
                encode::subscribe(out, subject, queue_group, sid);
            }
            Self::Unsub { sid, max } => encode::unsubscribe(out, sid, max),
            Self::Ping => encode::ping(out),
            Self::Pong => encode::pong(out),
        }
    }
}

/// What follows the line of a message, and where the operation ends.
struct Body<'a> {
    headers: &'a [u8],
    payload: &'a [u8],
    end: usize,
}

impl<'a> Body<'a> {
    fn read(input: &'a [u8], start: usize, headers: &str, total: &str) -> Option<Self> {
        let end = start.checked_add(total.parse().ok()?)?;
        let rest = input.get(end..)?.strip_prefix(b"\r\n")?;
        let body = input.get(start..end)?;
        let (headers, payload) = body.split_at_checked(headers.parse().ok()?)?;
        Some(Self { headers, payload, end: input.len() - rest.len() })
    }
}

/// The first operation of `output` of which not all is among the first `written`
/// bytes: where it begins. `output` must begin with an operation.
pub fn first_unwritten(output: &[u8], written: usize) -> usize {
    let mut at = 0;
    while let Some((_, length)) = output.get(at..).and_then(ClientOp::decode) {
        if at + length > written {
            break;
        }
        at += length;
    }
    at
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const OPS: [ClientOp<'_>; 11] = [
        ClientOp::Connect(b"{\"name\":\"a b\"}"),
        ClientOp::Pub { subject: "a", reply_to: None, payload: b"x\r\nPING\r\n" },
        ClientOp::Pub { subject: "a.b", reply_to: Some("r"), payload: b"" },
        ClientOp::HPub {
            subject: "a",
            reply_to: None,
            headers: b"NATS/1.0\r\n\r\n",
            payload: b"x",
        },
        ClientOp::HPub { subject: "a", reply_to: Some("r"), headers: b"h", payload: b"" },
        ClientOp::Sub { subject: "a.>", queue_group: None, sid: 1 },
        ClientOp::Sub { subject: "a", queue_group: Some("q"), sid: u64::MAX },
        ClientOp::Unsub { sid: 1, max: None },
        ClientOp::Unsub { sid: 1, max: Some(9) },
        ClientOp::Ping,
        ClientOp::Pong,
    ];

    #[test]
    fn what_is_encoded_is_decoded_and_only_as_a_whole() {
        for op in OPS {
            let mut out = Vec::new();
            op.encode(&mut out);
            let length = out.len();
            for cut in 0..length {
                assert_eq!(ClientOp::decode(&out[..cut]), None, "{op:?}");
            }
            out.extend_from_slice(b"more");
            assert_eq!(ClientOp::decode(&out), Some((op, length)));
        }
    }

    #[test]
    fn the_first_unwritten_operation_is_found_from_every_offset() {
        let mut output = Vec::new();
        let mut begins = vec![0];
        for op in OPS {
            op.encode(&mut output);
            begins.push(output.len());
        }
        for written in 0..=output.len() {
            let expected = begins.iter().rfind(|begin| **begin <= written);
            assert_eq!(Some(&first_unwritten(&output, written)), expected);
        }
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(
            word in prop::sample::select(vec!["", "PUB", "HPUB", "SUB", "UNSUB", "CONNECT"]),
            rest in "[ a1-9\r\n]{0,30}",
            bytes in prop::collection::vec(any::<u8>(), 0..20),
        ) {
            let input = [word.as_bytes(), rest.as_bytes(), &bytes].concat();
            if let Some((_, length)) = ClientOp::decode(&input) {
                prop_assert!(length <= input.len());
            }
        }
    }
}
