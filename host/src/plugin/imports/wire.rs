//! Bytes of a read block as a `list<u8>` for a guest, without a copy in between.

#![expect(unsafe_code, reason = "wasmtime's traits for types of one's own are unsafe")]

use std::mem::MaybeUninit;

use bytes::Bytes;
use wasmtime::component::__internal::{
    CanonicalAbiInfo, InstanceType, InterfaceType, LowerContext,
};
use wasmtime::component::{ComponentType, Lower};

/// Lowers as the slice that it holds does.
pub(super) struct Wire(pub(super) Bytes);

// SAFETY: everything is what `[u8]` says of itself, for the very same type.
unsafe impl ComponentType for Wire {
    type Lower = <[u8] as ComponentType>::Lower;

    const ABI: CanonicalAbiInfo = <[u8] as ComponentType>::ABI;

    fn typecheck(ty: &InterfaceType, types: &InstanceType<'_>) -> wasmtime::Result<()> {
        <[u8] as ComponentType>::typecheck(ty, types)
    }
}

// SAFETY: everything is done by `[u8]`, which fulfils the contract.
unsafe impl Lower for Wire {
    fn linear_lower_to_flat<T>(
        &self,
        cx: &mut LowerContext<'_, T>,
        ty: InterfaceType,
        dst: &mut MaybeUninit<Self::Lower>,
    ) -> wasmtime::Result<()> {
        <[u8] as Lower>::linear_lower_to_flat(&self.0, cx, ty, dst)
    }

    fn linear_lower_to_memory<T>(
        &self,
        cx: &mut LowerContext<'_, T>,
        ty: InterfaceType,
        offset: usize,
    ) -> wasmtime::Result<()> {
        <[u8] as Lower>::linear_lower_to_memory(&self.0, cx, ty, offset)
    }
}
