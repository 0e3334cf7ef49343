//! Messages on their way out: written to the instance's own memory, where the host
//! finds them. That spares a call for each.

use std::cell::RefCell;
use std::hint::black_box;
use std::sync::atomic::{Ordering, compiler_fence};

use crate::bindings::simple_nats::client::packed_outbox::{self, Terms};

/// What the outbox has room for. Small enough to stay in the processor's nearest
/// cache, and so large that calls to empty it do not count.
const CAPACITY: usize = 16 * 1024;

/// A larger message is not worth a copy more.
const MAX_MESSAGE: usize = CAPACITY / 4;

/// The turn, and how many bytes were written in it.
const HEAD_BYTES: usize = 8;

/// The client and two lengths.
const MESSAGE_HEAD_BYTES: usize = 12;

/// Servers take subjects of about four times that length.
const MAX_SUBJECT: usize = 1_000;

thread_local! {
    static OUTBOX: RefCell<Outbox> = const { RefCell::new(Outbox::new()) };
}

struct Outbox {
    /// Where the host looks: must not move once the host knows it.
    memory: Vec<u8>,
    turn: u32,
    written: usize,
    /// How much may be written in this turn.
    room: usize,
    /// For each connection, what may be written.
    terms: Vec<(u32, Option<Terms>)>,
    /// A subject that may be written, and for which connection.
    last: (u32, String),
    /// The memory of the messages in hand.
    in_hand: *const Vec<u8>,
}

/// Writes a message that `publisher.publish` would take; false: that is to be asked.
#[inline]
pub(crate) fn publish(client: u32, subject: &str, payload: &[u8]) -> bool {
    OUTBOX.with_borrow_mut(|outbox| {
        outbox.allows(client, subject, payload.len())
            && outbox.write(client, subject.as_bytes(), payload)
    })
}

/// The same for an answer to a message that lies in this memory.
#[inline]
pub(crate) fn answer(of: *const Vec<u8>, client: u32, reply_to: &[u8], payload: &[u8]) -> bool {
    let size = payload.len();
    OUTBOX.with_borrow_mut(|outbox| {
        let is_allowed = outbox.is_answer(of, client, reply_to, size)
            || str::from_utf8(reply_to).is_ok_and(|text| outbox.allows(client, text, size));
        is_allowed && outbox.write(client, reply_to, payload)
    })
}

/// The messages in hand lie in this memory from now on.
pub(crate) fn take_in_hand(memory: *const Vec<u8>) {
    OUTBOX.with_borrow_mut(|outbox| outbox.in_hand = memory);
}

/// Has the host send what was written, ahead of what is asked of it next.
pub(crate) fn settle() {
    OUTBOX.with_borrow_mut(|outbox| {
        if outbox.written > 0 {
            outbox.settle();
        }
    });
}

/// A connection has ended.
pub(crate) fn forget(client: u32) {
    OUTBOX.with_borrow_mut(|outbox| {
        outbox.terms.retain(|(known, _)| *known != client);
        outbox.last = (0, String::new());
    });
}

impl Outbox {
    const fn new() -> Self {
        Self {
            memory: Vec::new(),
            turn: 0,
            written: 0,
            room: 0,
            terms: Vec::new(),
            last: (0, String::new()),
            in_hand: std::ptr::null(),
        }
    }

    #[inline]
    fn allows(&mut self, client: u32, subject: &str, size: usize) -> bool {
        let Some(terms) = self.terms_of(client) else { return false };
        if size > terms.max_payload as usize {
            return false;
        }
        if self.last.0 == client && self.last.1 == subject {
            return true;
        }
        self.learn(client, subject)
    }

    fn learn(&mut self, client: u32, subject: &str) -> bool {
        let Some(terms) = self.terms_of(client) else { return false };
        let is_allowed = is_plain(subject.as_bytes(), Known::Utf8)
            && (terms.everything || terms.subjects.iter().any(|pattern| matches(pattern, subject)));
        if is_allowed {
            self.last.0 = client;
            self.last.1.clear();
            self.last.1.push_str(subject);
        }
        is_allowed
    }

    fn is_answer(&mut self, of: *const Vec<u8>, client: u32, reply_to: &[u8], size: usize) -> bool {
        of == self.in_hand
            && !reply_to.starts_with(b"$")
            && is_plain(reply_to, Known::Nothing)
            && self.terms_of(client).is_some_and(|terms| size <= terms.max_payload as usize)
    }

    #[inline]
    fn terms_of(&mut self, client: u32) -> Option<&Terms> {
        let at = match self.terms.iter().position(|(known, _)| *known == client) {
            Some(at) => at,
            None => {
                self.terms.push((client, packed_outbox::terms_of(client)));
                self.terms.len() - 1
            }
        };
        self.terms.get(at)?.1.as_ref()
    }

    /// Answers whether there is room.
    #[inline]
    fn write(&mut self, client: u32, subject: &[u8], payload: &[u8]) -> bool {
        let size = MESSAGE_HEAD_BYTES + subject.len() + payload.len();
        if size > MAX_MESSAGE {
            return false;
        }
        if size > self.room - self.written {
            self.settle();
            if size > self.room {
                return false;
            }
        }
        let begin = HEAD_BYTES + self.written;
        let Some(place) = self.memory.get_mut(begin..begin + size) else { return false };
        let (head, body) = place.split_at_mut(MESSAGE_HEAD_BYTES);
        let numbers = [client, subject.len() as u32, payload.len() as u32];
        for (place, number) in head.chunks_exact_mut(4).zip(numbers) {
            place.copy_from_slice(&number.to_le_bytes());
        }
        let (subject_place, payload_place) = body.split_at_mut(subject.len());
        subject_place.copy_from_slice(subject);
        payload_place.copy_from_slice(payload);
        self.written += size;
        self.tell();
        true
    }

    /// Tells the host how much there is. It may look at any time, so the message has
    /// to be there before the number is.
    #[inline]
    fn tell(&mut self) {
        let head = u64::from(self.turn) | (self.written as u64) << 32;
        compiler_fence(Ordering::Release);
        if let Some(place) = self.memory.first_chunk_mut() {
            *place = head.to_le_bytes();
        }
        black_box(&mut self.memory);
    }

    #[cold]
    fn settle(&mut self) {
        if self.memory.is_empty() {
            self.memory = vec![0; HEAD_BYTES + CAPACITY];
            packed_outbox::expose(&self.memory);
        }
        self.room = packed_outbox::settle() as usize;
        self.turn = self.turn.wrapping_add(1);
        self.written = 0;
        self.tell();
    }
}

/// What is known of bytes.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Known {
    Utf8,
    Nothing,
}

/// Whether this is certainly a subject; what is not certain is for the host to say, as
/// all but ASCII is where it may not be text. Goes by eight bytes at a time, since each
/// publish is checked.
fn is_plain(subject: &[u8], known: Known) -> bool {
    let doubtful = if known == Known::Utf8 { 0 } else { HIGH };
    // None if they are not plain, else whether they end in a dot. A dot behind a dot, or
    // in front of everything, is the end of an empty token.
    let dot_behind = |bytes: [u8; 8], dot_before: u64| {
        let word = u64::from_le_bytes(bytes);
        let dots = equal(word, b'.');
        let odd = below(word, b' ' + 1) | equal(word, b'*') | equal(word, b'>') | equal(word, 0x7f);
        let odd = odd | (word & doubtful) | (dots & ((dots << 8) | dot_before));
        (odd == 0).then_some(dots >> 56)
    };
    let first = 1 << 7;
    let (words, rest) = subject.as_chunks::<8>();
    let Some(_) = words.iter().try_fold(first, |dot, &word| dot_behind(word, dot)) else {
        return false;
    };
    let is_plain_to_the_end = match subject.last_chunk::<8>() {
        _ if rest.is_empty() => true,
        // Some of them for the second time.
        Some(&last) => dot_behind(last, 0).is_some(),
        None => {
            let mut last = [b'x'; 8];
            last.iter_mut().zip(rest).for_each(|(place, &byte)| *place = byte);
            dot_behind(last, first).is_some()
        }
    };
    let ends_well = subject.last().is_some_and(|&byte| byte != b'.');
    is_plain_to_the_end && ends_well && subject.len() <= MAX_SUBJECT
}

const LOW: u64 = u64::MAX / 0xff;
const HIGH: u64 = LOW << 7;

/// The high bit of each byte that is this one.
fn equal(word: u64, byte: u8) -> u64 {
    below(word ^ (LOW * u64::from(byte)), 1)
}

/// The high bit of each byte that is below this one, which is 0x80 at the most.
fn below(word: u64, byte: u8) -> u64 {
    !(((word & !HIGH) + LOW * u64::from(0x80 - byte)) | word) & HIGH
}

/// Whether a pattern of a policy allows a subject.
fn matches(pattern: &str, subject: &str) -> bool {
    let mut tokens = subject.split('.');
    for (at, wanted) in pattern.split('.').enumerate() {
        let Some(token) = tokens.next() else { return false };
        let is_reserved = at == 0 && (token.starts_with(['$', '_']) || token == "requests");
        match wanted {
            "*" | ">" if is_reserved => return false,
            ">" => return true,
            "*" => {}
            _ if wanted == token => {}
            _ => return false,
        }
    }
    tokens.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same by one look at each byte.
    fn is_plain_subject(subject: &[u8], known: Known) -> bool {
        let is_doubtful = |byte: &u8| !byte.is_ascii() && known == Known::Nothing;
        let is_odd = |byte: &u8| *byte <= b' ' || b"*>\x7f".contains(byte) || is_doubtful(byte);
        let has_empty_token = subject.split(|&byte| byte == b'.').any(<[u8]>::is_empty);
        !has_empty_token && !subject.iter().any(is_odd) && subject.len() <= MAX_SUBJECT
    }

    #[test]
    fn only_what_is_certainly_a_subject_is_plain() {
        for length in [0, 1, 2, 7, 8, 9, 10, 15, 16, 17, 24, 25, MAX_SUBJECT, MAX_SUBJECT + 1] {
            let whole = vec![b'a'; length];
            for (first, second) in (0..length.clamp(1, 25)).flat_map(|at| [(at, at), (at, at + 1)])
            {
                for byte in *b".*> \n\x00\x7f\x80\xff!~" {
                    let mut subject = whole.clone();
                    for at in [first, second] {
                        if let Some(place) = subject.get_mut(at) {
                            *place = byte;
                        }
                    }
                    for known in [Known::Utf8, Known::Nothing] {
                        let expected = is_plain_subject(&subject, known);
                        assert_eq!(is_plain(&subject, known), expected, "{subject:?} {known:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn patterns_allow_what_they_match() {
        for (pattern, subject) in [
            ("a", "b"),
            ("a", "a.b"),
            ("a.b", "a"),
            ("a.*", "a"),
            ("a.*", "a.b.c"),
            ("a.>", "a"),
            ("*", "$SYS"),
            (">", "_INBOX.a"),
            ("*.a", "requests.a"),
        ] {
            assert!(!matches(pattern, subject), "{pattern} {subject}");
        }
        for (pattern, subject) in [
            ("a", "a"),
            ("a.*", "a.b"),
            ("a.>", "a.b.c"),
            (">", "a.b"),
            ("*.b", "a.b"),
            ("$JS.>", "$JS.API"),
            ("_INBOX.>", "_INBOX.a"),
            (">", "requestsx"),
        ] {
            assert!(matches(pattern, subject), "{pattern} {subject}");
        }
    }
}
