//! How a message is written into a guest's memory: in one go, straight from the
//! read block.
//!
//! What wasmtime derives for a record looks the guest's memory up again for each
//! field, which is a good part of what a small message costs.

#![expect(unsafe_code, reason = "wasmtime's traits for types of one's own are unsafe")]

use std::mem::MaybeUninit;

use bytes::Bytes;
use wasmtime::component::__internal::{
    CanonicalAbiInfo, InstanceType, InterfaceType, LowerContext,
};
use wasmtime::component::{ComponentType, Lower};

use crate::protocol::{Message, Parts};

/// The record `packed-message`.
pub(super) struct PackedMessage {
    client: u32,
    sid: u64,
    parts: Parts,
    bytes: Bytes,
}

impl PackedMessage {
    pub(super) fn new(client: u32, sid: u64, message: Message) -> Self {
        Self { client, sid, parts: message.parts(), bytes: message.into_bytes() }
    }

    /// The record as it lies in memory, with the data at `pointer`.
    fn record(&self, pointer: u32, length: u32) -> [u8; RECORD_BYTES] {
        let mut record = [0; RECORD_BYTES];
        place(&mut record, 0, &head(self.client, self.sid, &self.parts, 0));
        place(&mut record, HEAD_BYTES, &pointer.to_le_bytes());
        place(&mut record, HEAD_BYTES + 4, &length.to_le_bytes());
        record
    }
}

/// What goes before the data: in a record, and in messages that cross together.
/// In a record the place of the length is padding, and has no meaning.
pub(super) fn head(client: u32, sid: u64, parts: &Parts, length: u32) -> [u8; HEAD_BYTES] {
    let mut head = [0; HEAD_BYTES];
    place(&mut head, 0, &client.to_le_bytes());
    place(&mut head, 4, &length.to_le_bytes());
    place(&mut head, 8, &sid.to_le_bytes());
    place(&mut head, 16, &parts.subject_end.to_le_bytes());
    place(&mut head, 20, &parts.reply_start.to_le_bytes());
    place(&mut head, 24, &parts.reply_end.saturating_sub(parts.reply_start).to_le_bytes());
    place(&mut head, 28, &parts.headers_start.to_le_bytes());
    place(&mut head, 32, &parts.payload_start.saturating_sub(parts.headers_start).to_le_bytes());
    place(&mut head, 36, &parts.payload_start.to_le_bytes());
    head
}

#[inline]
fn place(target: &mut [u8], offset: usize, bytes: &[u8]) {
    if let Some(field) = target.get_mut(offset..offset + bytes.len()) {
        field.copy_from_slice(bytes);
    }
}

/// A place in the guest's memory. wasmtime has checked it; looking again costs next
/// to nothing.
pub(super) fn room(memory: &mut [u8], at: usize, length: usize) -> wasmtime::Result<&mut [u8]> {
    let end = at.checked_add(length).ok_or_else(no_room)?;
    memory.get_mut(at..end).ok_or_else(no_room)
}

pub(super) fn no_room() -> wasmtime::Error {
    wasmtime::Error::msg("no room for messages in the guest")
}

/// The size of [`head`].
pub(super) const HEAD_BYTES: usize = 40;

/// The size of the record. The canonical ABI lays fields out in their order, each
/// aligned to its size; the fields are those of [`Shape`].
const RECORD_BYTES: usize = 48;
const _: () = assert!(Shape::ABI.size32 as usize == RECORD_BYTES && Shape::ABI.align32 == 8);

/// The record's fields, for wasmtime to check a component's type against.
#[derive(ComponentType)]
#[component(record)]
#[expect(dead_code, reason = "only its type is of use")]
pub(super) struct Shape {
    client: u32,
    sid: u64,
    #[component(name = "subject-length")]
    subject_length: u32,
    #[component(name = "reply-to-offset")]
    reply_to_offset: u32,
    #[component(name = "reply-to-length")]
    reply_to_length: u32,
    #[component(name = "headers-offset")]
    headers_offset: u32,
    #[component(name = "headers-length")]
    headers_length: u32,
    #[component(name = "payload-offset")]
    payload_offset: u32,
    data: Vec<u8>,
}

// SAFETY: everything is what wasmtime derives for a record of these fields.
unsafe impl ComponentType for PackedMessage {
    type Lower = <Shape as ComponentType>::Lower;

    const ABI: CanonicalAbiInfo = Shape::ABI;

    fn typecheck(ty: &InterfaceType, types: &InstanceType<'_>) -> wasmtime::Result<()> {
        Shape::typecheck(ty, types)
    }
}

// SAFETY: all bytes of the record are written, in the layout that `ABI` says,
// and the list they point to lies in memory that the guest allocated for it.
unsafe impl Lower for PackedMessage {
    fn linear_lower_to_flat<T>(
        &self,
        _: &mut LowerContext<'_, T>,
        _: InterfaceType,
        _: &mut MaybeUninit<Self::Lower>,
    ) -> wasmtime::Result<()> {
        // Results of more than one value are always returned through memory.
        Err(wasmtime::Error::msg("a packed message has too many fields to be passed flat"))
    }

    fn linear_lower_to_memory<T>(
        &self,
        cx: &mut LowerContext<'_, T>,
        _: InterfaceType,
        offset: usize,
    ) -> wasmtime::Result<()> {
        let length = self.bytes.len();
        let pointer = cx.realloc(0, 0, 1, length)?;
        let record = self.record(u32::try_from(pointer)?, u32::try_from(length)?);
        let memory = cx.as_slice_mut();
        room(memory, pointer, length)?.copy_from_slice(&self.bytes);
        room(memory, offset, RECORD_BYTES)?.copy_from_slice(&record);
        Ok(())
    }
}
