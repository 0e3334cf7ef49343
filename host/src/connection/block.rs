//! The block that a thread's connections read into.
//!
//! A connection that has nothing half-read holds no block, so a thousand idle
//! connections share one. Messages keep the block they lie in alive; the next read
//! goes into what is left of it, or into another if that is not enough. Where no message
//! is left, it begins at the begin of the block again, which the processor's caches
//! still have.

use std::cell::RefCell;

use bytes::BytesMut;

/// Bytes to ask the socket for. Larger reads save system calls, smaller ones
/// stay in the processor's cache.
pub(super) const READ_BLOCK: usize = 64 * 1024;

/// With less room than this left, a block is changed before the next read.
pub(super) const MIN_READ: usize = 16 * 1024;

/// One that has grown beyond this, for a large message, is not kept.
const MAX_KEPT: usize = 2 * READ_BLOCK;

thread_local! {
    static BLOCK: RefCell<BytesMut> = RefCell::new(BytesMut::new());
}

/// Makes sure that there is room to read into `input`.
pub(super) fn provide(input: &mut BytesMut) {
    if input.is_empty() {
        if input.capacity() == 0 {
            *input = BLOCK.take();
        }
        // With a part of it in use, what is left has to do.
        let _ = input.try_reclaim(READ_BLOCK);
        if input.capacity() > MAX_KEPT {
            *input = BytesMut::new();
        }
    }
    if input.capacity() - input.len() < MIN_READ {
        input.reserve(READ_BLOCK);
    }
}

/// Gives the block back if nothing half-read lies in it.
pub(super) fn give_back(input: &mut BytesMut) {
    if input.is_empty() && input.capacity() > 0 {
        BLOCK.replace(std::mem::take(input));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads a message of so many bytes and takes it out.
    fn read(input: &mut BytesMut, size: usize, byte: u8) -> BytesMut {
        while input.len() < size {
            provide(input);
            let room = input.capacity() - input.len();
            input.resize(size.min(input.len() + room), byte);
        }
        let message = input.split_to(size);
        give_back(input);
        message
    }

    #[test]
    fn next_read_goes_where_the_last_one_went_unless_that_is_in_use() {
        let mut input = BytesMut::new();
        let first = read(&mut input, 1_000, 1);
        let place = first.as_ptr();
        drop(first);
        let all: Vec<_> = (0..200).map(|byte| (byte, read(&mut input, 1_000, byte))).collect();
        assert_eq!(all.first().map(|(_, message)| message.as_ptr()), Some(place));
        for (byte, message) in all {
            assert!(message.iter().all(|one| *one == byte), "{byte}");
        }
    }

    #[test]
    fn block_that_has_grown_is_not_kept() {
        let mut input = BytesMut::new();
        drop(read(&mut input, 1024 * 1024, 1));
        provide(&mut input);
        assert!(input.capacity() <= MAX_KEPT, "{}", input.capacity());
    }
}
