//! Any bytes of a server, in any portions: the same operations, in bounded memory.

use std::mem::discriminant;

use arbitrary::{Arbitrary, Unstructured};
use bytes::BytesMut;

use crate::protocol::{DecodeError, Decoder, MAX_MESSAGE_BYTES, ServerOp};

/// Longer streams are not cut into single bytes.
const CUT_FINELY: usize = 4_096;

/// A stream and how it is cut.
#[derive(Debug)]
pub struct Stream<'a> {
    portion: usize,
    limit: usize,
    bytes: &'a [u8],
}

impl<'a> Arbitrary<'a> for Stream<'a> {
    /// Two bytes, then the stream as it is, so that the corpus can be read.
    fn arbitrary(u: &mut Unstructured<'a>) -> arbitrary::Result<Self> {
        Ok(Self {
            portion: usize::from(u8::arbitrary(u)?).max(1),
            limit: usize::from(u8::arbitrary(u)?).max(1),
            bytes: u.bytes(u.len())?,
        })
    }

    fn arbitrary_take_rest(mut u: Unstructured<'a>) -> arbitrary::Result<Self> {
        Self::arbitrary(&mut u)
    }
}

/// The operations of a stream do not depend on how it comes.
pub fn check(stream: &Stream<'_>) {
    let whole = decode(stream.bytes, usize::MAX, 1);
    assert_same(&whole, &decode(stream.bytes, stream.portion, 1));
    assert_same(&whole, &decode(stream.bytes, stream.portion, stream.limit));
    if stream.bytes.len() <= CUT_FINELY {
        assert_same(&whole, &decode(stream.bytes, 1, usize::MAX));
    }
    let size = |op: &ServerOp| match op {
        ServerOp::Message { message, .. } => message.size(),
        _ => 0,
    };
    assert!(whole.0.iter().map(size).sum::<usize>() <= stream.bytes.len(), "bytes from nowhere");
    for op in &whole.0 {
        read_all_of(op);
    }
}

type Decoded = (Vec<ServerOp>, Option<DecodeError>);

fn decode(stream: &[u8], portion: usize, limit: usize) -> Decoded {
    let mut decoder = Decoder::new();
    let mut input = BytesMut::new();
    let mut ops = Vec::new();
    for bytes in stream.chunks(portion) {
        input.extend_from_slice(bytes);
        let capacity = input.capacity();
        loop {
            let before = ops.len();
            let message = |sid, message| ops.push(ServerOp::Message { sid, message });
            match decoder.decode_messages(&mut input, limit, message) {
                Ok(Some(op)) => ops.push(op),
                Ok(None) if ops.len() > before => {}
                Ok(None) => break,
                Err(error) => return (ops, Some(error)),
            }
        }
        assert!(input.capacity() <= capacity, "memory is reserved for what has not come");
        assert!(decoder.needed() <= MAX_MESSAGE_BYTES + 2, "more needed than may come");
    }
    (ops, None)
}

/// An error quotes what has come, which differs with the portions.
fn assert_same(one: &Decoded, other: &Decoded) {
    assert_eq!(one.0, other.0);
    assert_eq!(one.1.as_ref().map(discriminant), other.1.as_ref().map(discriminant));
}

fn read_all_of(op: &ServerOp) {
    let ServerOp::Message { message, .. } = op else { return };
    let mut copy = message.clone();
    copy.compact();
    assert_eq!(*message, copy);
    let parts = message.subject().len() + message.reply_to().map_or(0, <[u8]>::len);
    assert_eq!(message.size(), parts + message.body_size());
    assert_eq!(message.body_size(), message.header_block().len() + message.payload().len());
    assert!(message.status().is_none_or(|status| status.code <= 999));
    let fields = message.headers().fields().map(|(name, value)| name.len() + value.len());
    assert!(fields.sum::<usize>() <= message.header_block().len());
}
