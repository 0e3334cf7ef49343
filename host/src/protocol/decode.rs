//! Takes a server's operations from a growing input, each byte once.
//!
//! What the server declares is never believed: lines and messages are bounded,
//! sums are checked, and no memory is reserved for what has not come. Filling
//! the input, and in which portions, is the caller's business.

use std::sync::Arc;

use bytes::{Buf, BytesMut};
use memchr::memchr;

use super::error::quote;
use super::frame::{Frame, is_blank};
use super::{DecodeError, Message, ServerInfo, ServerOp};

/// The largest message taken, headers included: 64 times what servers allow by
/// default, and the most that they can be configured to allow with a warning.
pub const MAX_MESSAGE_BYTES: usize = 64 * 1024 * 1024;

/// Four times what a server takes from its clients by default.
pub(super) const MAX_LINE_BYTES: usize = 16 * 1024;

/// INFO lists the servers of a cluster, so servers do not bound it.
const MAX_INFO_BYTES: usize = 1024 * 1024;

/// Where in the stream the next operation is.
#[derive(Debug, Default)]
pub struct Decoder {
    /// So much of the input has no line end.
    scanned: usize,
    /// The message whose line was read and whose payload has not come in full.
    pending: Option<Frame>,
    needed: usize,
    /// Messages that are to be cut from the input together; reused.
    frames: Vec<Frame>,
}

/// What the input begins with.
enum Scanned {
    /// Nothing whole.
    Nothing,
    /// A message of this length, which is noted.
    Message(usize),
    /// Something else, of this length.
    Other(ServerOp, usize),
}

impl Decoder {
    /// At the begin of a stream.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next operation, if all of it is there.
    pub fn decode(&mut self, input: &mut BytesMut) -> Result<Option<ServerOp>, DecodeError> {
        let mut taken = None;
        let message = |sid, message| taken = Some(ServerOp::Message { sid, message });
        let other = self.decode_messages(input, 1, message)?;
        Ok(taken.or(other))
    }

    /// Takes messages, `limit` at the most, and hands each over with its sid; ends
    /// with, and answers, an operation of another kind unless the limit or the
    /// end of the input came first. Many messages of one input cost less than as
    /// many inputs, since they are cut from it as one block.
    ///
    /// # Errors
    /// If the server broke the protocol. The messages before are handed over.
    pub fn decode_messages(
        &mut self,
        input: &mut BytesMut,
        limit: usize,
        mut take: impl FnMut(u64, Message),
    ) -> Result<Option<ServerOp>, DecodeError> {
        let mut end = 0;
        let scanned = loop {
            // The bound keeps offsets within `u32`.
            if self.frames.len() == limit || end == input.len() || end > MAX_MESSAGE_BYTES {
                break Ok(Scanned::Nothing);
            }
            match self.scan(input.get(end..).unwrap_or_default(), end as u32) {
                Ok(Scanned::Message(length)) => end += length,
                other => break other,
            }
        };
        if !self.frames.is_empty() {
            let block = Arc::new(input.split_to(end).freeze());
            for frame in self.frames.drain(..) {
                take(frame.sid, Message::from_wire(Arc::clone(&block), &frame));
            }
        }
        match scanned? {
            Scanned::Other(op, length) => {
                input.advance(length);
                Ok(Some(op))
            }
            Scanned::Message(_) | Scanned::Nothing => Ok(None),
        }
    }

    /// How many bytes the operation in hand still lacks; 0: not known yet.
    pub fn needed(&self) -> usize {
        self.needed
    }

    /// Looks at what `input` begins with, which is `base` bytes behind the begin
    /// of the block.
    #[inline]
    fn scan(&mut self, input: &[u8], base: u32) -> Result<Scanned, DecodeError> {
        if let Some(frame) = self.pending {
            return self.note(frame, input, base);
        }
        match Frame::read_usual(input) {
            Some(frame) => {
                self.scanned = 0;
                self.note(frame, input, base)
            }
            None => self.scan_unusual(input, base),
        }
    }

    /// The same for everything but a message whose line is as servers write it.
    #[cold]
    fn scan_unusual(&mut self, input: &[u8], base: u32) -> Result<Scanned, DecodeError> {
        let Some(first) = input.first().map(u8::to_ascii_lowercase) else {
            return Ok(Scanned::Nothing);
        };
        let limit = if first == b'i' { MAX_INFO_BYTES } else { MAX_LINE_BYTES };
        let window = input.get(self.scanned..input.len().min(limit)).unwrap_or_default();
        let Some(end) = memchr(b'\n', window).map(|at| self.scanned + at) else {
            if !matches!(first, b'm' | b'h' | b'p' | b'i' | b'+' | b'-') {
                return Err(DecodeError::UnknownOperation(quote(input)));
            }
            if input.len() >= limit {
                return Err(DecodeError::LineTooLong { limit });
            }
            self.scanned = input.len();
            return Ok(Scanned::Nothing);
        };
        self.scanned = 0;

        let line = input.get(..end).unwrap_or_default();
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let with_headers = first == b'h';
        match after_word(line, if with_headers { b"HMSG" } else { b"MSG" }) {
            Some(start) => {
                let frame = Frame::read(line, start, end + 1, with_headers)?;
                self.note(frame, input, base)
            }
            None => Ok(Scanned::Other(read_other(line)?, end + 1)),
        }
    }

    /// Notes a message if all of it is there.
    #[inline]
    fn note(&mut self, frame: Frame, input: &[u8], base: u32) -> Result<Scanned, DecodeError> {
        let length = frame.end as usize + 2;
        let Some(terminator) = input.get(frame.end as usize..length) else {
            self.needed = length - input.len();
            self.pending = Some(frame);
            return Ok(Scanned::Nothing);
        };
        if terminator != b"\r\n" {
            return Err(DecodeError::PayloadNotTerminated { size: frame.size().into() });
        }
        self.pending = None;
        self.needed = 0;
        self.frames.push(Frame { start: base + frame.start, end: base + frame.end, ..frame });
        Ok(Scanned::Message(length))
    }
}

/// Where the arguments begin, if `line` begins with `word`.
#[inline]
fn after_word(line: &[u8], word: &[u8]) -> Option<usize> {
    let (head, rest) = line.split_at_checked(word.len())?;
    let ends = rest.first().is_none_or(|&byte| is_blank(byte));
    (ends && head.eq_ignore_ascii_case(word)).then_some(word.len())
}

fn read_other(line: &[u8]) -> Result<ServerOp, DecodeError> {
    let arguments = |word: &[u8]| line.get(after_word(line, word)?..).map(<[u8]>::trim_ascii);
    if arguments(b"PING").is_some() {
        Ok(ServerOp::Ping)
    } else if arguments(b"PONG").is_some() {
        Ok(ServerOp::Pong)
    } else if arguments(b"+OK").is_some() {
        Ok(ServerOp::Ok)
    } else if let Some(text) = arguments(b"-ERR") {
        let text = String::from_utf8_lossy(text);
        Ok(ServerOp::Error(text.trim_matches('\'').to_owned()))
    } else if let Some(json) = arguments(b"INFO") {
        Ok(ServerOp::Info(Box::new(ServerInfo::parse(json)?)))
    } else {
        Err(DecodeError::UnknownOperation(quote(line)))
    }
}

#[cfg(test)]
mod tests {
    use std::mem::{Discriminant, discriminant};

    use proptest::prelude::*;

    use super::*;

    type Decoded = (Vec<ServerOp>, Option<DecodeError>);

    /// Feeds `stream` in portions that end at `cuts`.
    fn decode(stream: &[u8], cuts: impl IntoIterator<Item = usize>) -> Decoded {
        let mut decoder = Decoder::new();
        let mut input = BytesMut::new();
        let mut ops = Vec::new();
        let mut from = 0;
        for to in cuts.into_iter().chain([stream.len()]) {
            let to = to.clamp(from, stream.len());
            input.extend_from_slice(&stream[from..to]);
            from = to;
            loop {
                match decoder.decode(&mut input) {
                    Ok(Some(op)) => ops.push(op),
                    Ok(None) => break,
                    Err(error) => return (ops, Some(error)),
                }
            }
        }
        (ops, None)
    }

    fn message_op(
        sid: u64,
        subject: &str,
        reply_to: Option<&str>,
        headers: &[u8],
        payload: &[u8],
    ) -> ServerOp {
        ServerOp::Message { sid, message: Message::new(subject, reply_to, headers, payload) }
    }

    /// An error quotes what has come, which differs with the portions.
    fn comparable((ops, error): Decoded) -> (Vec<ServerOp>, Option<Discriminant<DecodeError>>) {
        (ops, error.as_ref().map(discriminant))
    }

    fn one_error(stream: &[u8]) -> DecodeError {
        let (ops, error) = decode(stream, []);
        assert_eq!(ops, []);
        error.unwrap_or_else(|| panic!("{stream:?} is taken"))
    }

    #[test]
    fn every_operation_is_read() {
        let stream =
            b"INFO {\"server_id\":\"S\"} \r\nPING\r\nPONG\r\n+OK\r\n-ERR 'Stale Connection'\r\n\
            MSG a.b 7 2\r\nhi\r\nMSG a.b 7 r.1 0\r\n\r\n\
            HMSG a.b 8 12 14\r\nNATS/1.0\r\n\r\nhi\r\nHMSG a.b 8 r.1 12 12\r\nNATS/1.0\r\n\r\n\r\n";
        let block = b"NATS/1.0\r\n\r\n";
        let info = ServerInfo::parse(b"{\"server_id\":\"S\"}").unwrap();
        assert_eq!(
            decode(stream, []),
            (
                vec![
                    ServerOp::Info(Box::new(info)),
                    ServerOp::Ping,
                    ServerOp::Pong,
                    ServerOp::Ok,
                    ServerOp::Error("Stale Connection".into()),
                    message_op(7, "a.b", None, b"", b"hi"),
                    message_op(7, "a.b", Some("r.1"), b"", b""),
                    message_op(8, "a.b", None, block, b"hi"),
                    message_op(8, "a.b", Some("r.1"), block, b""),
                ],
                None
            )
        );
    }

    #[test]
    fn case_blanks_and_bare_line_feeds_are_tolerated() {
        let stream = b"ping \npOnG\nmsg \t a \t 7\t\tr   2  \nhi\r\nhMSG a 7 0 0\r\n\r\n";
        assert_eq!(
            decode(stream, []).0,
            [
                ServerOp::Ping,
                ServerOp::Pong,
                message_op(7, "a", Some("r"), b"", b"hi"),
                message_op(7, "a", None, b"", b""),
            ]
        );
    }

    #[test]
    fn unknown_operations_are_refused_at_once() {
        for stream in
            [b"x".as_slice(), b"\r\n", b" PING\r\n", b"MSGX a 1 0\r\n", b"PINGPONG\r\n", b"H\r\n"]
        {
            assert!(matches!(one_error(stream), DecodeError::UnknownOperation(_)), "{stream:?}");
        }
    }

    #[test]
    fn malformed_arguments_are_refused() {
        for line in [
            "MSG",
            "MSG 1",
            "MSG a 1",
            "MSG a b c d 1",
            "MSG a x 1",
            "MSG a 1 -1",
            "MSG a 1 1x",
            "MSG a 1 99999999999999999999999",
            "MSG a 18446744073709551616 1",
            "HMSG a 1 1",
            "HMSG a 1 r x 1",
            "HMSG a 1 b c 1 1",
        ] {
            let error = one_error(format!("{line}\r\n").as_bytes());
            assert!(matches!(error, DecodeError::Arguments(_)), "{line}: {error}");
        }
    }

    #[test]
    fn declared_lengths_past_a_limit_are_refused() {
        let size = MAX_MESSAGE_BYTES as u64 + 1;
        assert_eq!(
            one_error(format!("MSG a 1 {size}\r\n").as_bytes()),
            DecodeError::MessageTooLarge { size, limit: MAX_MESSAGE_BYTES }
        );
        assert_eq!(
            one_error(b"HMSG a 1 5 4\r\n"),
            DecodeError::HeadersPastTotal { headers: 5, total: 4 }
        );
        assert_eq!(
            one_error(b"MSG a 1 2\r\nhi!\r\n"),
            DecodeError::PayloadNotTerminated { size: 2 }
        );
        assert_eq!(
            one_error(&[b'M'; MAX_LINE_BYTES]),
            DecodeError::LineTooLong { limit: MAX_LINE_BYTES }
        );
        assert_eq!(
            one_error(&[b'I'; MAX_INFO_BYTES]),
            DecodeError::LineTooLong { limit: MAX_INFO_BYTES }
        );
    }

    #[test]
    fn long_info_is_taken() {
        let json = format!("{{\"cluster\":\"{}\"}}", "c".repeat(100_000));
        let (ops, error) = decode(format!("INFO {json}\r\n").as_bytes(), (0..100_000).step_by(99));
        assert_eq!((ops.len(), error), (1, None));
    }

    #[test]
    fn the_decoder_tells_what_a_message_lacks() {
        let mut decoder = Decoder::new();
        let mut input = BytesMut::from(b"MSG a 1 1000".as_slice());
        assert_eq!(decoder.decode(&mut input), Ok(None));
        assert_eq!(decoder.needed(), 0);
        input.extend_from_slice(b"\r\nabc");
        assert_eq!(decoder.decode(&mut input), Ok(None));
        assert_eq!(decoder.needed(), 999);
        input.extend_from_slice(&[b'.'; 997]);
        input.extend_from_slice(b"\r\nPING\r\n");
        assert!(matches!(decoder.decode(&mut input), Ok(Some(ServerOp::Message { .. }))));
        assert_eq!(decoder.needed(), 0);
        assert_eq!(decoder.decode(&mut input), Ok(Some(ServerOp::Ping)));
    }

    #[test]
    fn a_declared_length_reserves_nothing() {
        let mut decoder = Decoder::new();
        let mut input = BytesMut::from(b"MSG a 1 67108864\r\nabc".as_slice());
        let capacity = input.capacity();
        assert_eq!(decoder.decode(&mut input), Ok(None));
        assert_eq!(input.capacity(), capacity);
    }

    fn any_op() -> impl Strategy<Value = Vec<u8>> {
        let blank = "[ \t]{1,2}";
        let token = "[a-z]{1,4}(\\.[a-z]{1,4}){0,2}";
        let body = prop::collection::vec(any::<u8>(), 0..40);
        let message = (blank, token, any::<u64>(), prop::option::of(token), body.clone()).prop_map(
            |(blank, subject, sid, reply, body)| {
                let reply = reply.map_or(String::new(), |reply| format!("{reply}{blank}"));
                let size = body.len();
                let line = format!("MSG{blank}{subject}{blank}{sid}{blank}{reply}{size}\r\n");
                [line.as_bytes(), &body, b"\r\n"].concat()
            },
        );
        let with_headers = (token, any::<u64>(), body).prop_map(|(subject, sid, body)| {
            let (headers, size) = (body.len() / 2, body.len());
            let line = format!("HMSG {subject} {sid} {headers} {size}\r\n");
            [line.as_bytes(), &body, b"\r\n"].concat()
        });
        let other = prop::sample::select(vec![
            b"PING\r\n".to_vec(),
            b"PONG\n".to_vec(),
            b"+OK\r\n".to_vec(),
            b"-ERR 'x'\r\n".to_vec(),
            b"INFO {\"port\":1}\r\n".to_vec(),
            b"MSG a 1 2\r\nhi!\r\n".to_vec(),
            b"garbage\r\n".to_vec(),
        ]);
        prop_oneof![4 => message, 2 => with_headers, 2 => other]
    }

    proptest! {
        #[test]
        fn any_split_of_a_stream_gives_the_same(
            ops in prop::collection::vec(any_op(), 0..8),
            mut cuts in prop::collection::vec(0_usize..400, 0..12),
        ) {
            let stream = ops.concat();
            cuts.sort_unstable();
            let whole = comparable(decode(&stream, []));
            prop_assert_eq!(&comparable(decode(&stream, cuts)), &whole);
            prop_assert_eq!(&comparable(decode(&stream, 0..stream.len())), &whole);
        }

        #[test]
        fn arbitrary_bytes_never_panic(
            words in prop::collection::vec(
                prop_oneof![
                    prop::sample::select(
                        vec!["MSG ", "HMSG ", "PING", "PONG", "-ERR", "INFO ", "\r\n", "\n", " ", "1 ", "99 "],
                    ).prop_map(|word| word.as_bytes().to_vec()),
                    prop::collection::vec(any::<u8>(), 0..5),
                ],
                0..30,
            ),
        ) {
            let stream = words.concat();
            let whole = comparable(decode(&stream, []));
            prop_assert_eq!(comparable(decode(&stream, 0..stream.len())), whole);
        }
    }
}
