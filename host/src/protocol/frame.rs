//! Reads the line of a message.

use super::DecodeError;
use super::decode::{MAX_LINE_BYTES, MAX_MESSAGE_BYTES};
use super::error::quote;
use super::message::Parts;
use super::word::Word;

/// What the line of a message declares. `u32` holds every offset, since lines and
/// messages are bounded far below.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) sid: u64,
    /// Where the subject begins.
    pub(super) start: u32,
    /// Where the payload ends.
    pub(super) end: u32,
    pub(super) parts: Parts,
}

impl Frame {
    /// Reads the line of a message in the form in which servers write it: one space
    /// between arguments, digits, a return and a line feed. None: it has another form,
    /// or an end that has not come, or something is wrong with it, so that
    /// [`read`](Self::read) has to look.
    #[inline]
    pub(super) fn read_usual(input: &[u8]) -> Option<Self> {
        let (with_headers, start) = match input.first_chunk()? {
            [b'M', b'S', b'G', b' ', _] => (false, 4),
            b"HMSG " => (true, 5),
            _ => return None,
        };
        let sizes = |at: usize| {
            let (first, at) = number(input, at)?;
            let (headers, (size, at)) =
                if with_headers { (first, number(input, at)?) } else { (0, (first, at)) };
            (input.get(at..at + 2)? == b"\r\n").then_some((headers, size, at + 2))
        };
        let subject_end = word_end(input, start - 1)?;
        let (sid, sid_end) = number(input, subject_end)?;
        let (reply_to, (headers, size, body)) = match sizes(sid_end) {
            Some(sizes) => (Span::default(), sizes),
            None => {
                let end = word_end(input, sid_end)?;
                (Span { start: sid_end + 1, end }, sizes(end)?)
            }
        };
        if body > MAX_LINE_BYTES || size > MAX_MESSAGE_BYTES as u64 || headers > size {
            return None;
        }
        let subject = Span { start, end: subject_end };
        Some(Self::new(sid, subject, reply_to, body, headers, size))
    }

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
        Ok(Self::new(sid, subject, reply_to, body, headers, size))
    }

    /// `headers` and `size` are within the bounds of a message.
    #[inline]
    fn new(sid: u64, subject: Span, reply_to: Span, body: usize, headers: u64, size: u64) -> Self {
        let start = subject.start;
        let headers_start = (body - start) as u32;
        let parts = Parts {
            subject_end: (subject.end - start) as u32,
            reply_start: reply_to.start.saturating_sub(start) as u32,
            reply_end: reply_to.end.saturating_sub(start) as u32,
            headers_start,
            payload_start: headers_start + headers as u32,
        };
        Self { sid, start: start as u32, end: body as u32 + size as u32, parts }
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

/// Where the space is that ends the word behind the space at `space`.
#[inline]
fn word_end(input: &[u8], space: usize) -> Option<usize> {
    if input.get(space) != Some(&b' ') {
        return None;
    }
    let start = space + 1;
    let mut at = start;
    loop {
        let word = Word::new(*input.get(at..)?.first_chunk()?);
        let low = word.below(b' ' + 1);
        if low != 0 {
            at += low.trailing_zeros() as usize / 8;
            return (at > start && input.get(at) == Some(&b' ')).then_some(at);
        }
        at += 8;
    }
}

/// The number behind the space at `space`, and where it ends. None also if it is as
/// long as one that may not fit.
#[inline]
fn number(input: &[u8], space: usize) -> Option<(u64, usize)> {
    const MAX_DIGITS: usize = 18;
    let [b' ', first, rest @ ..] = input.get(space..)? else { return None };
    let mut number = u64::from(digit(*first)?);
    // As many as there may be, with what ends them in place of the first.
    for (count, &byte) in rest.iter().take(MAX_DIGITS).enumerate() {
        match digit(byte) {
            Some(digit) => number = number * 10 + u64::from(digit),
            None => return Some((number, space + 2 + count)),
        }
    }
    None
}

#[inline]
fn digit(byte: u8) -> Option<u8> {
    let digit = byte.wrapping_sub(b'0');
    (digit < 10).then_some(digit)
}

/// A number in decimal digits and nothing else.
#[inline]
pub(super) fn parse(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u64, |number, &byte| {
        number.checked_mul(10)?.checked_add(u64::from(digit(byte)?))
    })
}

#[inline]
pub(super) fn is_blank(byte: u8) -> bool {
    byte == b' ' || byte == b'\t'
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// As the general reader reads `input`, which has a whole line.
    fn read(input: &[u8], with_headers: bool) -> Result<Frame, DecodeError> {
        let end = input.iter().position(|&byte| byte == b'\n').unwrap();
        let line = input[..end].strip_suffix(b"\r").unwrap_or(&input[..end]);
        Frame::read(line, if with_headers { 4 } else { 3 }, end + 1, with_headers)
    }

    proptest! {
        #[test]
        fn usual_lines_are_read_alike(
            with_headers: bool,
            subject in "[a-z0-9.\u{1}é]{1,20}",
            sid in any::<u64>().prop_map(|sid| sid >> (sid % 64)),
            reply in prop::option::of("[a-z0-9.]{1,12}"),
            (headers, more) in (0_u32..2_000, 0_u32..2_000),
            odd in prop::option::of((0_usize..60, prop::sample::select(b" \t\r\n-x1".to_vec()))),
        ) {
            let name = if with_headers { "HMSG" } else { "MSG" };
            let reply = reply.map_or(String::new(), |reply| format!(" {reply}"));
            let headers_size = if with_headers { format!(" {headers}") } else { String::new() };
            let line = format!("{name} {subject} {sid}{reply}{headers_size} {}\r\n", headers + more);
            let mut input = line.into_bytes();
            if let Some((at, byte)) = odd {
                let at = at.min(input.len() - 1);
                input[at] = byte;
            }
            input.extend_from_slice(b"\nbody");
            let usual = Frame::read_usual(&input);
            let is_plain = odd.is_none() && sid < 10_u64.pow(17) && subject.is_ascii();
            let is_plain = is_plain && !subject.contains('\u{1}');
            prop_assert!(usual.is_some() || !is_plain);
            if let Some(usual) = usual {
                prop_assert_eq!(Ok(usual), read(&input, with_headers));
            }
        }

        #[test]
        fn a_usual_line_is_read_when_all_of_it_is_there(cut in 0_usize..30) {
            let input = b"HMSG a.b 7 _INBOX.1 10 12\r\n";
            let usual = Frame::read_usual(&input[..cut.min(input.len())]);
            prop_assert_eq!(usual.is_some(), cut >= input.len());
        }
    }
}
