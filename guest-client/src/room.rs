//! Room in the instance's own memory for messages that are taken together: those that
//! fit there cost no allocation.

use std::cell::RefCell;
use std::hint::black_box;
use std::mem;
use std::sync::Arc;

use crate::bindings::simple_nats::client::packed_inbox;

/// An allocation is much of what a short message costs, and little of what a longer
/// one does.
const ROOM_BYTES: usize = 1024;

thread_local! {
    static ROOM: RefCell<Room> = const { RefCell::new(Room::Undecided) };
}

enum Room {
    /// No messages have come yet: many a plugin never gets any.
    Undecided,
    /// The host knows where it is, so it does not move.
    Exposed(Arc<Vec<u8>>),
    /// What is in it is being handled.
    InHand,
    /// Messages are kept for longer than their callback runs. Those shall weigh no more
    /// than they have to, and not be overwritten.
    Unwanted,
}

/// What the host has put there; none if it was not told of any room.
pub(crate) fn take() -> Option<Arc<Vec<u8>>> {
    ROOM.with_borrow_mut(|room| match mem::replace(room, Room::InHand) {
        Room::Exposed(memory) => Some(black_box(memory)),
        other => {
            *room = other;
            None
        }
    })
}

/// The messages that the host put there are handled.
pub(crate) fn put_back(memory: Arc<Vec<u8>>) {
    let next = match is_kept(&memory) {
        true => unwanted(),
        false => Room::Exposed(memory),
    };
    ROOM.set(next);
}

/// Messages that lay elsewhere, in this memory, are handled.
pub(crate) fn decide(memory: &Arc<Vec<u8>>) {
    ROOM.with_borrow_mut(|room| {
        if matches!(room, Room::Undecided) {
            *room = if is_kept(memory) { Room::Unwanted } else { exposed() };
        }
    });
}

fn exposed() -> Room {
    let memory = Arc::new(vec![0; ROOM_BYTES]);
    packed_inbox::expose_room(&memory);
    Room::Exposed(memory)
}

fn unwanted() -> Room {
    packed_inbox::expose_room(&[]);
    Room::Unwanted
}

fn is_kept(memory: &Arc<Vec<u8>>) -> bool {
    Arc::strong_count(memory) > 1
}
