//! Reads the line of a message.

use super::DecodeError;
use super::decode::MAX_MESSAGE_BYTES;
use super::error::quote;
use super::message::Parts;
use super::word::Word;

/// What the line of a message declares. `u32` holds every offset, since lines and
/// messages are bounded far below.
#[derive(Debug, Clone, Copy)]
pub(super) struct Frame {
    pub(super) sid: u64,
    /// Where the subject begins.
    pub(super) start: u32,
    /// Where the payload ends.
    pub(super) end: u32,
    pub(super) parts: Parts,
}

impl Frame {
    /// Reads `subject sid [reply-to] [headers] total`, from `start` to the end of
    /// the line. `body` is where headers and payload begin.
    #[inline]
    pub(super) fn read(
        line: &[u8],
        start: usize,
        body: usize,
        with_headers: bool,
    ) -> Result<Self, DecodeError> {
        let malformed = || DecodeError::Arguments(quote(line));
        let none = Span::default();
        let (tokens, count) = split(line, start).ok_or_else(malformed)?;
        let (subject, sid, reply_to, headers, size) =
            match (with_headers, tokens.get(..count).unwrap_or_default()) {
                (false, &[subject, sid, size]) => (subject, sid, none, None, size),
                (false, &[subject, sid, reply, size]) => (subject, sid, reply, None, size),
                (true, &[subject, sid, headers, size]) => (subject, sid, none, Some(headers), size),
                (true, &[subject, sid, reply, headers, size]) => {
                    (subject, sid, reply, Some(headers), size)
                }
                _ => return Err(malformed()),
            };
        let number =
            |span: Span| line.get(span.start..span.end).and_then(parse).ok_or_else(malformed);
        let sid = number(sid)?;
        let size = number(size)?;
        let headers = headers.map_or(Ok(0), number)?;
        if size > MAX_MESSAGE_BYTES as u64 {
            return Err(DecodeError::MessageTooLarge { size, limit: MAX_MESSAGE_BYTES });
        }
        if headers > size {
            return Err(DecodeError::HeadersPastTotal { headers, total: size });
        }
        let start = subject.start;
        let headers_start = (body - start) as u32;
        let parts = Parts {
            subject_end: (subject.end - start) as u32,
            reply_start: reply_to.start.saturating_sub(start) as u32,
            reply_end: reply_to.end.saturating_sub(start) as u32,
            headers_start,
            payload_start: headers_start + headers as u32,
        };
        Ok(Self { sid, start: start as u32, end: body as u32 + size as u32, parts })
    }

    /// Headers and payload, in bytes.
    pub(super) fn size(&self) -> u32 {
        self.end - self.start - self.parts.headers_start
    }
}

/// Where an argument is in its line.
#[derive(Debug, Clone, Copy, Default)]
struct Span {
    start: usize,
    end: usize,
}

/// The most arguments that a line has.
const MAX_ARGUMENTS: usize = 5;

/// The arguments of a line, and their number. None: they are too many.
#[inline]
fn split(line: &[u8], from: usize) -> Option<([Span; MAX_ARGUMENTS], usize)> {
    let mut tokens = [Span::default(); MAX_ARGUMENTS];
    let (mut count, mut start) = (0, from);
    let mut end = |at: usize| {
        if at > start {
            *tokens.get_mut(count)? = Span { start, end: at };
            count += 1;
        }
        start = at + 1;
        Some(())
    };
    let (words, rest) = line.get(from..).unwrap_or_default().as_chunks::<8>();
    for (number, &bytes) in words.iter().enumerate() {
        let word = Word::new(bytes);
        let mut blanks = word.equal(b' ') | word.equal(b'\t');
        while blanks != 0 {
            end(from + 8 * number + blanks.trailing_zeros() as usize / 8)?;
            blanks &= blanks - 1;
        }
    }
    for (at, &byte) in rest.iter().enumerate() {
        if is_blank(byte) {
            end(from + 8 * words.len() + at)?;
        }
    }
    if line.len() > start {
        *tokens.get_mut(count)? = Span { start, end: line.len() };
        count += 1;
    }
    Some((tokens, count))
}

/// A number in decimal digits and nothing else.
#[inline]
pub(super) fn parse(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u64, |number, digit| {
        let digit = digit.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        number.checked_mul(10)?.checked_add(u64::from(digit))
    })
}

#[inline]
pub(super) fn is_blank(byte: u8) -> bool {
    byte == b' ' || byte == b'\t'
}
