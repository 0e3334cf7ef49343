//! The block that a thread's connections read into.
//!
//! A connection that has nothing half-read holds no block, so a thousand idle
//! connections share one. Messages keep the block they lie in alive; the next read
//! goes into what is left of it, or into another if that is not enough.

use std::cell::RefCell;

use bytes::BytesMut;

/// Bytes to ask the socket for. Larger reads save system calls, smaller ones
/// stay in the processor's cache.
pub(super) const READ_BLOCK: usize = 64 * 1024;

/// With less room than this left, a block is changed before the next read.
pub(super) const MIN_READ: usize = 16 * 1024;

thread_local! {
    static BLOCK: RefCell<BytesMut> = RefCell::new(BytesMut::new());
}

/// Makes sure that there is room to read into `input`.
pub(super) fn provide(input: &mut BytesMut) {
    if input.is_empty() && !has_room(input) {
        *input = BLOCK.take();
    }
    if !has_room(input) {
        input.reserve(READ_BLOCK);
    }
}

fn has_room(input: &BytesMut) -> bool {
    input.capacity() - input.len() >= MIN_READ
}

/// Gives the block back if nothing half-read lies in it.
pub(super) fn give_back(input: &mut BytesMut) {
    if input.is_empty() && input.capacity() > 0 {
        BLOCK.replace(std::mem::take(input));
    }
}
