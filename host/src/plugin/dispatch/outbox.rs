//! Messages that an instance has written to its outbox, in its own memory.
//!
//! The host reads there and never writes: it remembers how far it has come. So the
//! outbox can be emptied at any time, also after a trap.

use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use thiserror::Error;
use wasmtime::StoreContext;
use wasmtime::component::WasmList;

use crate::plugin::state::State;

/// The turn, and how many bytes were written in it.
const HEAD_BYTES: usize = 8;

/// The client and two lengths.
const MESSAGE_HEAD_BYTES: usize = 12;

/// What an outbox has at the most. What a guest has written is kept even where there
/// is no room for it, so it must not be much.
pub(in crate::plugin) const MAX_BYTES: usize = HEAD_BYTES + 64 * 1024;

#[derive(Default)]
pub(in crate::plugin) struct Outbox {
    place: Option<WasmList<u8>>,
    turn: AtomicU32,
    /// How much of what was written in this turn was taken.
    taken: AtomicUsize,
}

/// A message that the guest has written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::plugin) struct Written<'a> {
    pub(in crate::plugin) client: u32,
    pub(in crate::plugin) subject: &'a [u8],
    pub(in crate::plugin) payload: &'a [u8],
}

impl<'a> Written<'a> {
    pub(in crate::plugin) fn subject_text(&self) -> Result<&'a str, OutboxError> {
        std::str::from_utf8(self.subject).map_err(|_| OutboxError::NoText)
    }
}

/// The guest broke the rules of `packed-outbox`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(in crate::plugin) enum OutboxError {
    #[error("the outbox has {0} bytes, more than {MAX_BYTES}")]
    TooLarge(usize),
    #[error("the outbox says that {written} bytes were written, of {taken} taken and {room} there")]
    Position { written: usize, taken: usize, room: usize },
    #[error("the outbox has a message that is cut short")]
    Cut,
    #[error("the outbox has a message whose subject is not text")]
    NoText,
}

impl Outbox {
    /// The guest writes here from now on.
    pub(in crate::plugin) fn expose(&mut self, place: WasmList<u8>) -> Result<(), OutboxError> {
        if place.len() > MAX_BYTES {
            return Err(OutboxError::TooLarge(place.len()));
        }
        *self = Self { place: Some(place), ..Self::default() };
        Ok(())
    }

    /// Bytes of messages that it has room for.
    pub(in crate::plugin) fn capacity(&self) -> usize {
        self.place.as_ref().map_or(0, |place| place.len().saturating_sub(HEAD_BYTES))
    }

    /// What was written since the last call, which is taken with this.
    pub(in crate::plugin) fn take<'a>(
        &self,
        store: impl Into<StoreContext<'a, State>>,
    ) -> Result<&'a [u8], OutboxError> {
        match &self.place {
            Some(place) => self.take_of(place.as_le_slice(store)),
            None => Ok(&[]),
        }
    }

    fn take_of<'a>(&self, memory: &'a [u8]) -> Result<&'a [u8], OutboxError> {
        let Some((head, messages)) = memory.split_first_chunk::<HEAD_BYTES>() else {
            return Ok(&[]);
        };
        let (turn, written) = (number(head, 0), number(head, 4) as usize);
        if self.turn.swap(turn, Ordering::Relaxed) != turn {
            self.taken.store(0, Ordering::Relaxed);
        }
        let taken = self.taken.load(Ordering::Relaxed);
        let room = messages.len();
        let error = OutboxError::Position { written, taken, room };
        let new = messages.get(taken..written).ok_or(error)?;
        self.taken.store(written, Ordering::Relaxed);
        Ok(new)
    }
}

/// Takes the first message off what was written.
pub(in crate::plugin) fn next<'a>(
    written: &mut &'a [u8],
) -> Result<Option<Written<'a>>, OutboxError> {
    if written.is_empty() {
        return Ok(None);
    }
    let (head, rest) = written.split_first_chunk::<MESSAGE_HEAD_BYTES>().ok_or(OutboxError::Cut)?;
    let split =
        |from: &'a [u8], at: u32| from.split_at_checked(at as usize).ok_or(OutboxError::Cut);
    let (subject, rest) = split(rest, number(head, 4))?;
    let (payload, rest) = split(rest, number(head, 8))?;
    *written = rest;
    Ok(Some(Written { client: number(head, 0), subject, payload }))
}

fn number(bytes: &[u8], at: usize) -> u32 {
    let bytes = bytes.get(at..).and_then(|rest| rest.first_chunk());
    bytes.map_or(0, |bytes| u32::from_le_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(client: u32, subject: &[u8], payload: &[u8]) -> Vec<u8> {
        let lengths = [client, subject.len() as u32, payload.len() as u32];
        let mut bytes: Vec<u8> = lengths.into_iter().flat_map(u32::to_le_bytes).collect();
        bytes.extend_from_slice(subject);
        bytes.extend_from_slice(payload);
        bytes
    }

    fn memory(turn: u32, written: usize, messages: &[u8]) -> Vec<u8> {
        let mut memory: Vec<u8> =
            [turn, written as u32].into_iter().flat_map(u32::to_le_bytes).collect();
        memory.extend_from_slice(messages);
        memory
    }

    #[test]
    fn messages_are_taken_once_and_in_order() {
        let (first, second) = (message(1, b"a", b"one"), message(2, b"b.c", b""));
        let both = [first.clone(), second].concat();
        let outbox = Outbox::default();
        assert_eq!(outbox.take_of(&memory(0, 0, &both)), Ok(&[][..]));
        let memory_of_one = memory(0, first.len(), &both);
        let mut taken = outbox.take_of(&memory_of_one).unwrap();
        let one = Written { client: 1, subject: b"a", payload: b"one" };
        assert_eq!(next(&mut taken), Ok(Some(one)));
        assert_eq!(next(&mut taken), Ok(None));
        let memory_of_both = memory(0, both.len(), &both);
        let mut taken = outbox.take_of(&memory_of_both).unwrap();
        let two = Written { client: 2, subject: b"b.c", payload: b"" };
        assert_eq!(next(&mut taken), Ok(Some(two)));
        assert_eq!(next(&mut taken), Ok(None));
        assert_eq!(outbox.take_of(&memory_of_both), Ok(&[][..]));
    }

    #[test]
    fn another_turn_begins_at_the_start() {
        let bytes = message(1, b"a", b"one");
        let outbox = Outbox::default();
        for turn in [0, 1, u32::MAX, 0] {
            let memory = memory(turn, bytes.len(), &bytes);
            assert_eq!(outbox.take_of(&memory).unwrap(), bytes, "{turn}");
            assert!(outbox.take_of(&memory).unwrap().is_empty(), "{turn}");
        }
    }

    #[test]
    fn positions_that_can_not_be_are_refused() {
        let outbox = Outbox::default();
        let error = |written, taken| OutboxError::Position { written, taken, room: 4 };
        assert_eq!(outbox.take_of(&memory(0, 5, b"1234")), Err(error(5, 0)));
        assert_eq!(outbox.take_of(&memory(0, 3, b"1234")), Ok(&b"123"[..]));
        assert_eq!(outbox.take_of(&memory(0, 2, b"1234")), Err(error(2, 3)));
        assert_eq!(outbox.take_of(b"short"), Ok(&[][..]));
    }

    #[test]
    fn messages_that_are_none_are_refused() {
        let whole = message(1, b"subject", b"payload");
        for length in 1..whole.len() {
            assert_eq!(next(&mut &whole[..length]), Err(OutboxError::Cut), "{length}");
        }
        let endless = message(1, b"", b"").into_iter().take(4).chain([0xff; 8]);
        let endless: Vec<u8> = endless.collect();
        assert_eq!(next(&mut &endless[..]), Err(OutboxError::Cut));
        let no_text = message(1, b"\xff", b"");
        let written = next(&mut &no_text[..]).unwrap().unwrap();
        assert_eq!(written.subject_text(), Err(OutboxError::NoText));
    }
}
