//! How messages that are taken together are written into a guest's memory, with one
//! copy of each: to where the guest has exposed room for them, or into one piece
//! that it allocates for all.

#![expect(unsafe_code, reason = "wasmtime's traits for types of one's own are unsafe")]

use std::mem::MaybeUninit;
use std::sync::Arc;

use wasmtime::component::__internal::{
    CanonicalAbiInfo, InstanceType, InterfaceType, LowerContext,
};
use wasmtime::component::{ComponentType, Lower, WasmList};

use super::packed_message::{HEAD_BYTES, head, no_room, room};
use crate::plugin::dispatch::mailbox::Incoming;

/// The variant `taken`.
pub(super) struct PackedGroup {
    pub(super) messages: Arc<Vec<Incoming>>,
    /// Where they may be put if they fit.
    pub(super) room: Option<Arc<WasmList<u8>>>,
}

impl PackedGroup {
    fn length(&self) -> usize {
        self.messages.iter().map(|incoming| HEAD_BYTES + incoming.message.as_bytes().len()).sum()
    }

    /// Fills a place of this length.
    fn write(&self, place: &mut [u8]) -> wasmtime::Result<()> {
        let mut rest = place;
        for incoming in &*self.messages {
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

/// Where the guest has room for so many bytes, counted from the begin of the memory that
/// results go to; none if there is not enough, or it lies in another.
fn exposed<T>(
    cx: &mut LowerContext<'_, T>,
    room: Option<&WasmList<u8>>,
    length: usize,
) -> Option<usize> {
    let room = room.filter(|room| room.len() >= length)?;
    let address = room.as_le_slice(&cx.store).as_ptr().addr();
    let memory = cx.as_slice_mut();
    let offset = address.checked_sub(memory.as_ptr().addr())?;
    (offset.checked_add(length)? <= memory.len()).then_some(offset)
}

/// The variant's cases, for wasmtime to check a component's type against.
#[derive(ComponentType)]
#[component(variant)]
#[expect(dead_code, reason = "only its type is of use")]
pub(super) enum Shape {
    #[component(name = "exposed")]
    Exposed(u32),
    #[component(name = "apart")]
    Apart(Vec<u8>),
}

const EXPOSED: u32 = 0;
const APART: u32 = 1;

/// The size of the variant: which case it is, and two numbers. The canonical ABI aligns
/// what follows the case.
const VARIANT_BYTES: usize = 12;
const _: () = assert!(Shape::ABI.size32 as usize == VARIANT_BYTES && Shape::ABI.align32 == 4);

fn variant(fields: [u32; 3]) -> [u8; VARIANT_BYTES] {
    let mut variant = [0; VARIANT_BYTES];
    for (place, number) in variant.chunks_exact_mut(4).zip(fields) {
        place.copy_from_slice(&number.to_le_bytes());
    }
    variant
}

// SAFETY: everything is what wasmtime derives for a variant of these cases.
unsafe impl ComponentType for PackedGroup {
    type Lower = <Shape as ComponentType>::Lower;

    const ABI: CanonicalAbiInfo = Shape::ABI;

    fn typecheck(ty: &InterfaceType, types: &InstanceType<'_>) -> wasmtime::Result<()> {
        Shape::typecheck(ty, types)
    }
}

// SAFETY: all bytes of the variant are written, in the layout that `ABI` says, and a
// list it points to lies in memory that the guest allocated for it.
unsafe impl Lower for PackedGroup {
    fn linear_lower_to_flat<T>(
        &self,
        _: &mut LowerContext<'_, T>,
        _: InterfaceType,
        _: &mut MaybeUninit<Self::Lower>,
    ) -> wasmtime::Result<()> {
        // Results of more than one value are always returned through memory.
        Err(wasmtime::Error::msg("messages are not passed flat"))
    }

    fn linear_lower_to_memory<T>(
        &self,
        cx: &mut LowerContext<'_, T>,
        _: InterfaceType,
        offset: usize,
    ) -> wasmtime::Result<()> {
        let length = self.length();
        let bytes = u32::try_from(length)?;
        let (at, variant) = match exposed(cx, self.room.as_deref(), length) {
            Some(at) => (at, variant([EXPOSED, bytes, 0])),
            None if length == 0 => (0, variant([EXPOSED, 0, 0])),
            None => {
                let at = cx.realloc(0, 0, 1, length)?;
                (at, variant([APART, u32::try_from(at)?, bytes]))
            }
        };
        let memory = cx.as_slice_mut();
        self.write(room(memory, at, length)?)?;
        room(memory, offset, VARIANT_BYTES)?.copy_from_slice(&variant);
        Ok(())
    }
}
