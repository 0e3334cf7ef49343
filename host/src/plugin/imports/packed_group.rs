//! How messages that are taken together are written into a guest's memory: one
//! allocation in the guest, and one copy of each message.

#![expect(unsafe_code, reason = "wasmtime's traits for types of one's own are unsafe")]

use std::mem::MaybeUninit;
use std::sync::Arc;

use wasmtime::component::__internal::{
    CanonicalAbiInfo, InstanceType, InterfaceType, LowerContext,
};
use wasmtime::component::{ComponentType, Lower};

use super::packed_message::{HEAD_BYTES, head, no_room, room};
use crate::plugin::dispatch::mailbox::Incoming;

/// The list of bytes of `messages`.
pub(super) struct PackedGroup(pub(super) Arc<Vec<Incoming>>);

impl PackedGroup {
    fn length(&self) -> usize {
        self.0.iter().map(|incoming| HEAD_BYTES + incoming.message.as_bytes().len()).sum()
    }

    /// Fills a place of this length.
    fn write(&self, place: &mut [u8]) -> wasmtime::Result<()> {
        let mut rest = place;
        for incoming in &*self.0 {
            let bytes = incoming.message.as_bytes();
            let length = u32::try_from(bytes.len())?;
            let parts = incoming.message.parts();
            for piece in [&head(incoming.client, incoming.sid, &parts, length)[..], bytes] {
                let (target, behind) =
                    rest.split_at_mut_checked(piece.len()).ok_or_else(no_room)?;
                target.copy_from_slice(piece);
                rest = behind;
            }
        }
        Ok(())
    }
}

// SAFETY: everything is what wasmtime has for a list of bytes.
unsafe impl ComponentType for PackedGroup {
    type Lower = <Vec<u8> as ComponentType>::Lower;

    const ABI: CanonicalAbiInfo = CanonicalAbiInfo::POINTER_PAIR;

    fn typecheck(ty: &InterfaceType, types: &InstanceType<'_>) -> wasmtime::Result<()> {
        <Vec<u8> as ComponentType>::typecheck(ty, types)
    }
}

// SAFETY: pointer and length of a list are written, in the layout that `ABI` says,
// and it lies in memory that the guest allocated for it.
unsafe impl Lower for PackedGroup {
    fn linear_lower_to_flat<T>(
        &self,
        _: &mut LowerContext<'_, T>,
        _: InterfaceType,
        _: &mut MaybeUninit<Self::Lower>,
    ) -> wasmtime::Result<()> {
        // A delivery is always returned through memory.
        Err(wasmtime::Error::msg("messages are not passed flat"))
    }

    fn linear_lower_to_memory<T>(
        &self,
        cx: &mut LowerContext<'_, T>,
        _: InterfaceType,
        offset: usize,
    ) -> wasmtime::Result<()> {
        let length = self.length();
        let pointer = cx.realloc(0, 0, 1, length)?;
        let mut pair = [0; 8];
        let (low, high) = pair.split_at_mut(4);
        low.copy_from_slice(&u32::try_from(pointer)?.to_le_bytes());
        high.copy_from_slice(&u32::try_from(length)?.to_le_bytes());
        let memory = cx.as_slice_mut();
        self.write(room(memory, pointer, length)?)?;
        room(memory, offset, pair.len())?.copy_from_slice(&pair);
        Ok(())
    }
}
